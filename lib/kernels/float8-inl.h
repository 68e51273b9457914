// Scaled elements of a byte, E4M3 and E5M2, in vectors.
//
// To bfloat16: element = +-(1 + m/8) * 2^(x - 7), of which only the eight m need rounding, as the
// exponents of bfloat16 reach as far as those of float32. So a block has a table of eight values
// for x = 0, where the element is subnormal, and of eight for the others, to which x is added in
// the place of bfloat16's exponent. (E5M2: four, bias 15.) That wants a scale from 2^-100 to 2^100;
// others, and NaN and infinite elements, go value by value.
//
// To the other types: the element as a float, exact, times the scale; where the product is not
// exact it is rounded to odd (float-inl.h), which the two halves of the scale give without a wider
// type.
//
// An `Isa` adds
//   Wide                    a vector of bytes, of whole lanes of sixteen;
//   codes_twice(from)       half as many bytes as a Wide has, each twice;
//   table_lanes(from)       sixteen bytes, in each lane;
//   look_up(table, index)   in each lane, byte i is that of `table` that index names, below 16;
//   store_wide<kStream>(to, value)   kStream: to an aligned address.
#pragma once

#include "kernels/cast-inl.h"
#include "kernels/products-inl.h"
#include "kernels/scaled-plain-inl.h"

namespace thaw::kernels {
namespace {

template <SmallFloat kElement>
struct Float8 {
  static constexpr bool kE4m3 = kElement == SmallFloat::e4m3;
  static constexpr int kFractionBits = kE4m3 ? 3 : 2;
  static constexpr int kFractions = 1 << kFractionBits;
  static constexpr double kLeast = kE4m3 ? 0x1p-9 : 0x1p-16;  // the smallest element
  // The first code, without its sign, that is no number.
  static constexpr unsigned char kSpecial = kE4m3 ? 0x7f : 0x7c;
};

// Whether the vectors may multiply by it.
inline bool is_usual(const ScaledFactors& factors) {
  const double magnitude = magnitude_of(factors.scale);
  return factors.divisor == 1 && magnitude >= 0x1p-100 && magnitude <= 0x1p100;
}

// The two tables of a block: the low bytes of eight values, their high bytes, of subnormal and of
// normal elements.
template <SmallFloat kElement>
inline void make_float8_tables(double scale, unsigned char* tables) {
  using Of = Float8<kElement>;
  for (int fraction = 0; fraction < 8; ++fraction) {
    const int m = fraction % Of::kFractions;
    const double subnormal = scale * (m * Of::kLeast);
    // With an exponent of 0, which is half of that of 1.
    const double normal = scale * ((Of::kFractions + m) * Of::kLeast * 0.5);
    const std::uint16_t values[2] = {narrow<Target::bfloat16>(subnormal),
                                     narrow<Target::bfloat16>(normal)};
    for (int i = 0; i < 2; ++i) {
      tables[i * 16 + fraction] = static_cast<unsigned char>(values[i] & 0xffu);
      tables[i * 16 + 8 + fraction] = static_cast<unsigned char>(values[i] >> 8);
    }
  }
}

template <class Isa, SmallFloat kElement>
class Float8Block {
  using Of = Float8<kElement>;
  using Wide = typename Isa::Wide;
  static constexpr std::uint64_t kBytes = sizeof(Wide);
  typedef std::uint16_t Units __attribute__((vector_size(kBytes)));

 public:
  explicit Float8Block(const unsigned char* tables)
      : subnormal_(Isa::table_lanes(tables)), normal_(Isa::table_lanes(tables + 16)) {}

  // 32 elements.
  template <bool kStream>
  [[gnu::always_inline]] inline void put(const unsigned char* codes, unsigned char* out) {
    for (std::uint64_t at = 0; at < 2 * kQuarter; at += kBytes) {
      Isa::template store_wide<kStream>(out + at, values(codes + at / 2));
    }
  }

  // Whether any element so far is no number.
  [[nodiscard]] bool met_special() const {
    unsigned char seen[kBytes];
    __builtin_memcpy(seen, &largest_, kBytes);
    bool special = false;
    for (const unsigned char code : seen) special = special || code >= Of::kSpecial;
    return special;
  }

 private:
  [[gnu::always_inline]] inline Wide values(const unsigned char* from) {
    const Wide codes = Isa::codes_twice(from);
    const Wide magnitudes = codes & 0x7f;
    largest_ = magnitudes > largest_ ? magnitudes : largest_;
    const Units units = reinterpret_cast<Units>(codes);
    // The low byte of a value from the first half of a table, the high one from the second.
    constexpr auto kFraction = static_cast<std::uint16_t>((Of::kFractions - 1) * 0x0101);
    const Wide index = reinterpret_cast<Wide>((units & kFraction) | std::uint16_t{0x0800});
    constexpr auto kExponent = static_cast<std::uint16_t>(0x7f & ~(Of::kFractions - 1));
    const Units exponent = (units & kExponent) << (7 - Of::kFractionBits);
    const Units normal = reinterpret_cast<Units>(Isa::look_up(normal_, index)) + exponent;
    const Units subnormal = reinterpret_cast<Units>(Isa::look_up(subnormal_, index));
    const Units magnitude = exponent == 0 ? subnormal : normal;
    return reinterpret_cast<Wide>(magnitude ^ (units & std::uint16_t{0x8000}));
  }

  Wide subnormal_;
  Wide normal_;
  Wide largest_ = {};
};

// A run of columns of one row in one block, to bfloat16. `usual` blocks only.
template <class Isa, SmallFloat kElement, bool kStream>
inline bool float8_run(const unsigned char* tables, const unsigned char* codes, std::uint64_t count,
                       unsigned char* out) {
  Float8Block<Isa, kElement> block(tables);
  std::uint64_t at = 0;
  for (; at + kQuarter <= count; at += kQuarter) {
    if (at % (2 * kQuarter) == 0) __builtin_prefetch(codes + at + 1024, 0, 2);
    block.template put<kStream>(codes + at, out + at * 2);
  }
  if (at < count) {
    alignas(64) unsigned char padded[kQuarter] = {};
    alignas(64) unsigned char values[2 * kQuarter];
    __builtin_memcpy(padded, codes + at, count - at);
    block.template put<false>(padded, values);
    __builtin_memcpy(out + at * 2, values, (count - at) * 2);
  }
  return !block.met_special();
}

inline constexpr std::uint64_t kFloat8Blocks = 512;  // whose tables are made together

template <class Isa, SmallFloat kElement, bool kStream>
inline void float8_to_bfloat16(const PackedLinear& linear, std::uint64_t row_begin,
                               std::uint64_t row_end, void* out) {
  const ScaledFactorsOf factors_of(linear);
  const std::uint64_t blocks = (linear.in_features + linear.group_size - 1) / linear.group_size;
  alignas(64) unsigned char tables[kFloat8Blocks * 32];
  bool usual[kFloat8Blocks];
  for (std::uint64_t row = row_begin; row < row_end;) {
    const ScaleLine scale_line(linear, row);
    const std::uint64_t stop = scale_line.end < row_end ? scale_line.end : row_end;
    for (std::uint64_t first = 0; first < blocks; first += kFloat8Blocks) {
      const std::uint64_t last = blocks - first < kFloat8Blocks ? blocks : first + kFloat8Blocks;
      for (std::uint64_t block = first; block < last; ++block) {
        const ScaledFactors factors = factors_of.at(scale_line.scales, block);
        usual[block - first] = is_usual(factors);
        if (usual[block - first]) {
          make_float8_tables<kElement>(factors.scale, tables + (block - first) * 32);
        }
      }
      for (std::uint64_t at = row; at < stop; ++at) {
        const unsigned char* codes = line(linear[Role::codes], at);
        auto* to = static_cast<std::uint16_t*>(out) + (at - row_begin) * linear.in_features;
        for (std::uint64_t block = first; block < last; ++block) {
          const std::uint64_t k = block * linear.group_size;
          const std::uint64_t left = linear.in_features - k;
          const std::uint64_t count = left < linear.group_size ? left : linear.group_size;
          const bool done =
              usual[block - first] &&
              float8_run<Isa, kElement, kStream>(tables + (block - first) * 32, codes + k, count,
                                                 reinterpret_cast<unsigned char*>(to + k));
          if (done) [[likely]]
            continue;
          float8_block<Target::bfloat16>(linear, factors_of.at(scale_line.scales, block), at,
                                         at + 1, k, k + count, to);
        }
      }
    }
    row = stop;
  }
  if (kStream) Isa::fence();
}

// Sixteen bits of a float16 for each element, 2^-8 times E4M3.
template <SmallFloat kElement>
inline void halves_of_float8(const unsigned char* codes, std::uint64_t count,
                             std::uint16_t* halves) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto half = static_cast<std::uint16_t>(
        kElement == SmallFloat::e4m3 ? (codes[i] & 0x80u) << 8 | (codes[i] & 0x7fu) << 7
                                     : static_cast<std::uint32_t>(codes[i]) << 8);
    const bool nan = kElement == SmallFloat::e4m3 && (codes[i] & 0x7fu) == 0x7f;
    halves[i] = nan ? kHalfNan : half;
  }
}

// values[i] * scale, exact or rounded to odd. No value but 0 is so small or large that anything
// underflows or overflows; infinite and NaN ones stay.
inline void odd_products(float* values, std::uint64_t count, float scale) {
  const float high =
      __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, scale) & 0xfffff000u);
  const float low = scale - high;  // exact, of 12 bits as `high` is, and of the same sign
  if (low == 0) {
    for (std::uint64_t i = 0; i < count; ++i) values[i] *= scale;
    return;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const float large = values[i] * high;
    const float small = values[i] * low;
    const float sum = large + small;
    const float error = small - (sum - large);  // exact, as |small| <= |large|
    std::uint32_t bits = __builtin_bit_cast(std::uint32_t, sum);
    const std::uint32_t opposed = (bits ^ __builtin_bit_cast(std::uint32_t, error)) >> 31;
    const std::uint32_t inexact = __builtin_fabsf(error) > 0 ? 1 : 0;  // not of infinity and NaN
    bits = (bits - (inexact & opposed)) | inexact;
    values[i] = __builtin_bit_cast(float, bits);
  }
}

// A run of columns of one row in one block, of a usual scale.
template <class Isa, SmallFloat kElement, Target kTarget>
inline void float8_products(double scale, const unsigned char* codes, std::uint64_t count,
                            unsigned char* out) {
  using Cast = Caster<Isa>;
  const auto factor = static_cast<float>(kElement == SmallFloat::e4m3 ? scale * 256 : scale);
  for (std::uint64_t at = 0; at < count; at += Cast::kBatch) {
    const std::uint64_t batch = count - at < Cast::kBatch ? count - at : Cast::kBatch;
    alignas(64) std::uint16_t halves[Cast::kBatch] = {};
    alignas(64) float values[Cast::kBatch];
    halves_of_float8<kElement>(codes + at, batch, halves);
    for (std::uint64_t i = 0; i < Cast::kBatch; i += Isa::kCastStep) {
      Isa::widen_half(reinterpret_cast<const unsigned char*>(halves + i), values + i);
    }
    unsigned char* to = out + at * sizeof(ElementOf<kTarget>);
    if constexpr (kTarget == Target::float32) {
      for (std::uint64_t i = 0; i < Cast::kBatch; ++i) values[i] *= factor;
      Cast::to_float(values, to, batch);
    } else {
      odd_products(values, Cast::kBatch, factor);
      if constexpr (kTarget == Target::float16) Cast::to_half(values, to, batch);
      if constexpr (kTarget == Target::bfloat16) Cast::to_bfloat16(values, to, batch);
      if constexpr (kTarget == Target::bfloat16_via_float16) Cast::through_half(values, to, batch);
    }
  }
}

template <class Isa, SmallFloat kElement, Target kTarget>
inline void float8_through_floats(const PackedLinear& linear, std::uint64_t row_begin,
                                  std::uint64_t row_end, void* out) {
  const ScaledFactorsOf factors_of(linear);
  for (std::uint64_t row = row_begin; row < row_end; ++row) {
    const unsigned char* scales = ScaleLine(linear, row).scales;
    const unsigned char* codes = line(linear[Role::codes], row);
    auto* to = static_cast<ElementOf<kTarget>*>(out) + (row - row_begin) * linear.in_features;
    for (std::uint64_t k = 0; k < linear.in_features; k += linear.group_size) {
      const std::uint64_t left = linear.in_features - k;
      const std::uint64_t count = left < linear.group_size ? left : linear.group_size;
      const ScaledFactors factors = factors_of.at(scales, k / linear.group_size);
      if (is_usual(factors)) [[likely]] {
        float8_products<Isa, kElement, kTarget>(factors.scale, codes + k, count,
                                                reinterpret_cast<unsigned char*>(to + k));
      } else {
        float8_block<kTarget>(linear, factors, row, row + 1, k, k + count, to);
      }
    }
  }
}

template <class Isa, SmallFloat kElement, Target kTarget>
inline void float8_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                        void* out, const OutputFormat& format) {
  // A product with a float32 of 48 bits is beyond the vectors, and a quotient too.
  if (linear[Role::global_scale].data != nullptr || linear.scaled.divides_by_scale) {
    return float8_plain<kTarget>(linear, row_begin, row_end, out);
  }
  if constexpr (kTarget == Target::bfloat16) {
    const bool whole_runs =
        linear.group_size % kQuarter == 0 || linear.group_size >= linear.in_features;
    return whole_runs && can_stream<kTarget>(linear, format)
               ? float8_to_bfloat16<Isa, kElement, true>(linear, row_begin, row_end, out)
               : float8_to_bfloat16<Isa, kElement, false>(linear, row_begin, row_end, out);
  } else {
    return float8_through_floats<Isa, kElement, kTarget>(linear, row_begin, row_end, out);
  }
}

}  // namespace
}  // namespace thaw::kernels
