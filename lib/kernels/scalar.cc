// The table in plain C++: the fallback of every machine.
#include "kernels/cast-inl.h"
#include "kernels/ct-bytes-inl.h"
#include "kernels/divide-inl.h"
#include "kernels/gptq-inl.h"
#include "kernels/layouts-inl.h"
#include "kernels/tables.h"

namespace thaw::kernels {
namespace {

template <class Layout, Target kTarget>
struct Rows {
  static void run(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, void* out) {
    dequantize_plain<Layout, kTarget>(linear, begin, end, out);
  }
};

template <Target kTarget>
struct Rows<CtPack, kTarget> {
  static void run(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end, void* out) {
    linear.bits == 8 ? ct_byte_rows<PlainSteps, kTarget>(linear, begin, end, out)
                     : ct_plain<kTarget>(linear, begin, end, out);
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
  return {Layout::kName, Layout::kRowBlock, dequantize<Layout>};
}

struct GptqSteps : PlainSteps {
  static void turn_4x4(const void* from, std::uint64_t from_pitch, void* to,
                       std::uint64_t to_pitch) {
    for (std::uint64_t i = 0; i < 16; ++i) {
      __builtin_memcpy(static_cast<unsigned char*>(to) + i % 4 * to_pitch + i / 4 * 4,
                       static_cast<const unsigned char*>(from) + i / 4 * from_pitch + i % 4 * 4, 4);
    }
  }
  template <bool>
  static void store_line(unsigned char* to, const unsigned char* from) {
    __builtin_memcpy(to, from, 64);
  }
  static void fence() {}
};

template <class Layout, Target kTarget>
void gptq_to(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end, void* out,
             const OutputFormat& format) {
  if (linear.scale_type == FloatType::float32) {
    gptq_plain<Layout, kTarget>(linear, row_begin, row_end, out);
  } else if (Layout::kRowsAreInputs) {
    gptq_input_rows<GptqSteps, kTarget>(linear, row_begin, row_end, out, format);
  } else {
    gptq_without_tables<GptqSteps, kTarget>(linear, row_begin, row_end, 0, linear.in_features, out,
                                            format);
  }
}

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

constexpr Layout kLayouts[] = {entry<AwqGemm>(),
                               entry<AwqGemv>(),
                               entry<AwqGemvFast>(),
                               entry<AwqMarlin>(),
                               entry<CtPack>(),
                               {Gptq::kName, Gptq::kRowBlock, gptq<Gptq>},
                               {GptqRows::kName, GptqRows::kRowBlock, gptq<GptqRows>}};

}  // namespace

constexpr Table kScalarTable = {"scalar", kLayouts, sizeof kLayouts / sizeof kLayouts[0],
                                cast_with<PlainSteps>, divide_with<PlainSteps>};

}  // namespace thaw::kernels
