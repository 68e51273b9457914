// mlx_affine: code * scale + bias, the exact sum rounded once (specs/mlx.md). Rows of codes are a
// stream, which is spread to bytes (bits-inl.h); scales and biases lie by row, a pair for each
// group.
//
// With 16-bit scales the product is exact in float32, and the sum is rounded to odd there, as
// odd_sum() does in double: what it is rounded to afterwards has fewer bits by two at least, but
// for float32, which takes the nearest.
#pragma once

#include "kernels/ct-bytes-inl.h"

namespace thaw::kernels {
namespace {

struct MlxAffine {
  static constexpr LayoutId kId = LayoutId::mlx_affine;
  static constexpr std::uint32_t kRowBlock = 1;
  static constexpr bool kScalesByRow = true;
  static constexpr bool kZeroIsFloat = true;

  static Sum factors(const PackedLinear& linear, std::uint64_t row, std::uint64_t group) {
    const auto* bias = line(linear[Role::zeros], row) + group * size_of(linear.scale_type);
    return {load_scale(linear, row, group),
            static_cast<double>(load_float(bias, linear.scale_type))};
  }

  static int code(const PackedLinear& linear, const unsigned char* codes, std::uint64_t k) {
    return linear.bits == 8 ? codes[k] : stream_code(codes, k, linear.bits);
  }
};

// Sixteen codes as floats, times `scale`, plus `bias`.
template <class Isa, Target kTarget>
[[gnu::always_inline]] inline void add_sixteen(const float* codes, float scale, float bias,
                                               float* sums) {
  using Floats = typename Lanes<Isa>::Floats;
  using Ints = typename Lanes<Isa>::Ints;
  for (std::uint64_t i = 0; i < 16; i += Isa::kCastStep) {
    Floats code;
    __builtin_memcpy(&code, codes + i, sizeof code);
    const Floats product = code * scale;
    const Floats sum = product + bias;
    if constexpr (kTarget == Target::float32) {
      __builtin_memcpy(sums + i, &sum, sizeof sum);
      continue;
    }
    const Floats bias_part = sum - product;
    const Floats error = (product - (sum - bias_part)) + (bias - bias_part);
    const auto bits = __builtin_bit_cast(Ints, sum);
    const Ints inexact = (error != 0) & ((bits & 1) == 0);
    // Away from zero where the error has the sign of the sum.
    const Ints away = (__builtin_bit_cast(Ints, error) ^ bits) >= 0;
    const Ints step = (away & 1) | (~away & -1);
    const Ints odd = bits + (inexact & step);
    __builtin_memcpy(sums + i, &odd, sizeof odd);
  }
}

template <Target kTarget>
[[gnu::noinline]] inline void put_sums_plain(const Sum& factors, const unsigned char* codes,
                                             std::uint64_t count, unsigned char* out) {
  for (std::uint64_t i = 0; i < count; ++i) {
    store(out + i * sizeof(ElementOf<kTarget>), narrow<kTarget>(factors.at(codes[i])));
  }
}

// 32 codes of one group, none of whose values is rare.
template <class Isa, Target kTarget, bool kStream>
[[gnu::always_inline]] inline void put_sums(float scale, float bias, const unsigned char* codes,
                                            unsigned char* out) {
  alignas(64) float sums[2][16];
  for (int half = 0; half < 2; ++half) {
    alignas(64) float values[16];
    Isa::template widen_sixteen<kTarget>(codes + 16 * half, values);
    add_sixteen<Isa, kTarget>(values, scale, bias, sums[half]);
  }
  if constexpr (kTarget != Target::float32) {
    Isa::template put_thirty_two<kTarget, kStream, 16, 32, false>(sums[0], sums[1], out);
  } else {
    store_lines<Isa, kStream>(out, sums, sizeof sums);
  }
}

// Columns [begin, end) of a row; see byte_columns().
template <class Isa, Target kTarget, bool kStream>
inline void mlx_columns(const PackedLinear& linear, std::uint64_t row, const unsigned char* codes,
                        std::uint64_t begin, std::uint64_t end, unsigned char* out) {
  constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
  std::uint64_t group = begin / linear.group_size;
  for (std::uint64_t k = begin; k < end; ++group) {
    const std::uint64_t group_end = (group + 1) * linear.group_size;
    const std::uint64_t stop = group_end < end ? group_end : end;
    const Sum factors = MlxAffine::factors(linear, row, group);
    const auto scale = static_cast<float>(factors.scale);
    const auto bias = static_cast<float>(factors.zero);
    const bool usual = linear.scale_type != FloatType::float32 &&
                       __builtin_fabsf(scale) < kRareMagnitude &&
                       __builtin_fabsf(bias) < kRareMagnitude;
    for (; usual && k + kQuarter <= stop; k += kQuarter) {
      put_sums<Isa, kTarget, kStream>(scale, bias, codes + (k - begin), out + k * kElement);
    }
    if (k == stop) continue;
    put_sums_plain<kTarget>(factors, codes + (k - begin), stop - k, out + k * kElement);
    k = stop;
  }
}

template <class Isa, Target kTarget, bool kStream>
inline void mlx_row(const PackedLinear& linear, std::uint64_t row, unsigned char* out) {
  const unsigned char* codes = line(linear[Role::codes], row);
  const std::uint64_t columns = linear.in_features;
  if (linear.bits == 8) {
    return mlx_columns<Isa, kTarget, kStream>(linear, row, codes, 0, columns, out);
  }
  const auto make = [&](const unsigned char* spread, std::uint64_t k, std::uint64_t end) {
    mlx_columns<Isa, kTarget, kStream>(linear, row, spread, k, end, out);
  };
  spread_row(codes, columns, linear.bits, make);
}

template <class Isa, Target kTarget>
void mlx_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end, void* out,
              const OutputFormat& format) {
  // Groups that are not of whole quarters are made value by value.
  const bool whole_runs = linear.group_size % kQuarter == 0;
  const bool stream = whole_runs && can_stream<kTarget>(linear, format);
  const std::uint64_t pitch = linear.in_features * sizeof(ElementOf<kTarget>);
  for (std::uint64_t row = row_begin; row < row_end; ++row) {
    unsigned char* to = static_cast<unsigned char*>(out) + (row - row_begin) * pitch;
    stream ? mlx_row<Isa, kTarget, true>(linear, row, to)
           : mlx_row<Isa, kTarget, false>(linear, row, to);
  }
  if (stream) Isa::fence();
}

}  // namespace
}  // namespace thaw::kernels
