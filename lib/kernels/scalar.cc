// The table in plain C++: the fallback of every machine.
#include "kernels/bnb-4bit-inl.h"
#include "kernels/bnb-int8-inl.h"
#include "kernels/cast-inl.h"
#include "kernels/ct-bytes-inl.h"
#include "kernels/divide-inl.h"
#include "kernels/gptq-bits-inl.h"
#include "kernels/gptq-rows-inl.h"
#include "kernels/gptq-turned-inl.h"
#include "kernels/layouts-inl.h"
#include "kernels/mlx-inl.h"
#include "kernels/paired-rows-inl.h"
#include "kernels/scaled-plain-inl.h"
#include "kernels/tables.h"

namespace thaw::kernels {
namespace {

template <class Layout, Target kTarget>
struct Rows {
  static void run(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, void* out) {
    dequantize_plain<Layout, kTarget>(linear, begin, end, out);
  }
};

// The steps of products-inl.h and gptq-turned-inl.h, four at a time: the compiler has vectors of
// its own for the rest.
struct FourSteps {
  static constexpr std::uint64_t kCastStep = 4;

  static void widen_bytes(const unsigned char* from, float* to) {
    for (std::uint64_t i = 0; i < kCastStep; ++i) to[i] = static_cast<float>(from[i]);
  }
  static void widen_half(const unsigned char* from, float* to) {
    for (std::uint64_t i = 0; i < kCastStep; ++i) PlainSteps::widen_half(from + i * 2, to + i);
  }
  static void narrow_half(const float* from, unsigned char* to) {
    for (std::uint64_t i = 0; i < kCastStep; ++i) PlainSteps::narrow_half(from + i, to + i * 2);
  }
  static void narrow_upper(const float* from, unsigned char* to) {
    for (std::uint64_t i = 0; i < kCastStep; ++i) {
      const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, from[i]);
      store(to + i * 2, static_cast<std::uint16_t>(bits >> 16));
    }
  }
  static bool load_scales(const void* from, FloatType type, float* out) {
    bool usual = true;
    for (std::uint64_t i = 0; i < 8; ++i) {
      out[i] = load_float(static_cast<const unsigned char*>(from) + i * 2, type);
      usual = usual && __builtin_fabsf(out[i]) < kRareMagnitude;
    }
    return usual;
  }
  static void turn_4x4(const void* from, std::uint64_t from_pitch, void* to,
                       std::uint64_t to_pitch) {
    for (std::uint64_t i = 0; i < 16; ++i) {
      __builtin_memcpy(static_cast<unsigned char*>(to) + i % 4 * to_pitch + i / 4 * 4,
                       static_cast<const unsigned char*>(from) + i / 4 * from_pitch + i % 4 * 4, 4);
    }
  }
  static constexpr std::uint64_t kUpperUnits = 16;
  static constexpr std::uint64_t unit_place(std::uint64_t c) { return c * 32; }
  static void turn_units(const unsigned char* from, unsigned char* to, std::uint64_t to_pitch) {
    for (std::uint64_t c = 0; c < 32; ++c) {
      for (std::uint64_t n = 0; n < 16; ++n) {
        __builtin_memcpy(to + n * to_pitch + c * 2, from + c * 32 + n * 2, 2);
      }
    }
  }
  template <bool>
  static void store_line(unsigned char* to, const unsigned char* from) {
    __builtin_memcpy(to, from, 64);
  }
  static void fence() {}
};
using ProductSteps = StepProducts<FourSteps>;

template <Target kTarget>
struct Rows<CtPack, kTarget> {
  static void run(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, void* out) {
    linear.bits != 4 ? ct_byte_rows<ProductSteps, CtPack, kTarget>(linear, begin, end, out, {})
                     : ct_plain<CtPack, kTarget>(linear, begin, end, out);
  }
};

template <Target kTarget>
struct Rows<CtInt8, kTarget> {
  static void run(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, void* out) {
    ct_int8_rows<ProductSteps, kTarget>(linear, begin, end, out, {});
  }
};

template <Target kTarget>
struct Rows<Scaled, kTarget> {
  static void run(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, void* out) {
    scaled_plain<kTarget>(linear, begin, end, out);
  }
};

template <class Layout>
void dequantize(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                void* out, const OutputFormat& format) {
  switch (target_of(format)) {
    case Target::float16:
      return Rows<Layout, Target::float16>::run(linear, row_begin, row_end, out);
    case Target::bfloat16:
      return Rows<Layout, Target::bfloat16>::run(linear, row_begin, row_end, out);
    case Target::bfloat16_via_float16:
      return Rows<Layout, Target::bfloat16_via_float16>::run(linear, row_begin, row_end, out);
    case Target::float32:
      return Rows<Layout, Target::float32>::run(linear, row_begin, row_end, out);
  }
}

template <class Layout>
constexpr thaw::kernels::Layout entry() {
  return {Layout::kId, Layout::kRowBlock, dequantize<Layout>};
}

template <class Layout, Target kTarget>
void gptq_to(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end, void* out,
             const OutputFormat& format) {
  if (linear.scale_type == FloatType::float32) {
    gptq_plain<Layout, kTarget>(linear, row_begin, row_end, out);
  } else if (Layout::kRowsAreInputs) {
    gptq_input_rows<ProductSteps, kTarget>(linear, row_begin, row_end, out, format);
  } else {
    gptq_turned<ProductSteps, kTarget>(linear, row_begin, row_end, 0, linear.in_features, out,
                                       format);
  }
}

template <Target kTarget>
struct Rows<MlxAffine, kTarget> {
  static void run(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, void* out) {
    mlx_rows<ProductSteps, kTarget>(linear, begin, end, out, {});
  }
};

template <Target kTarget>
struct Rows<BnbInt8, kTarget> {
  static void run(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, void* out) {
    bnb_int8_rows<ProductSteps, kTarget>(linear, begin, end, out, {});
  }
};

template <Target kTarget>
struct Rows<Bnb4bit, kTarget> {
  static void run(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, void* out) {
    bnb_4bit_rows<ProductSteps, kTarget>(linear, begin, end, out, {});
  }
};

template <Target kTarget>
struct Rows<PairedRows, kTarget> {
  static void run(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, void* out) {
    paired_rows<ProductSteps, kTarget>(linear, begin, end, out, {});
  }
};

template <Target kTarget>
struct Rows<GptqBits, kTarget> {
  static void run(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, void* out) {
    gptq_bits_rows<ProductSteps, kTarget>(linear, begin, end, out, {});
  }
};

template <Target kTarget>
struct Rows<GptqBitsRows, kTarget> {
  static void run(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, void* out) {
    gptq_bits_input_rows<ProductSteps, kTarget>(linear, begin, end, out, {});
  }
};

template <class Layout>
void gptq(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, void* out,
          const OutputFormat& format) {
  switch (target_of(format)) {
    case Target::float16:
      return gptq_to<Layout, Target::float16>(linear, begin, end, out, format);
    case Target::bfloat16:
      return gptq_to<Layout, Target::bfloat16>(linear, begin, end, out, format);
    case Target::bfloat16_via_float16:
      return gptq_to<Layout, Target::bfloat16_via_float16>(linear, begin, end, out, format);
    case Target::float32:
      return gptq_to<Layout, Target::float32>(linear, begin, end, out, format);
  }
}

}  // namespace

constexpr Table kScalarTable = checked({"scalar",
                                        {entry<AwqGemm>(),
                                         entry<AwqGemv>(),
                                         entry<AwqGemvFast>(),
                                         entry<AwqMarlin>(),
                                         entry<CtPack>(),
                                         entry<CtInt8>(),
                                         {Gptq::kId, Gptq::kRowBlock, gptq<Gptq>},
                                         {GptqRows::kId, GptqRows::kRowBlock, gptq<GptqRows>},
                                         entry<GptqBits>(),
                                         entry<GptqBitsRows>(),
                                         entry<MlxAffine>(),
                                         entry<BnbInt8>(),
                                         entry<Scaled>(),
                                         entry<Bnb4bit>(),
                                         entry<PairedRows>()},
                                        cast_with<PlainSteps>,
                                        divide_with<PlainSteps>});

}  // namespace thaw::kernels
