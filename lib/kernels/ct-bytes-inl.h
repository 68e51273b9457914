// The 8-bit codes of ct_pack. 256 values a group would make too large a table: products-inl.h.
#pragma once

#include "kernels/ct-plain-inl.h"
#include "kernels/products-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kBytesAhead = 1024;

// A run of fewer than 32 codes.
template <class Isa, Target kTarget>
inline void put_few_bytes(const ByteFactors& factors, const unsigned char* codes,
                          std::uint64_t count, unsigned char* out) {
  alignas(64) unsigned char padded[kQuarter] = {};
  alignas(64) unsigned char values[kQuarter * sizeof(ElementOf<kTarget>)];
  __builtin_memcpy(padded, codes, count);
  put_bytes<Isa, kTarget, false>(factors, padded, values);
  __builtin_memcpy(out, values, count * sizeof(ElementOf<kTarget>));
}

// In a function of its own where there are also fused ones: see GptqPiece.
template <class Isa, Target kTarget, bool kStream>
[[gnu::noinline]] void put_bytes_apart(const ByteFactors& factors, const unsigned char* codes,
                                       unsigned char* out) {
  put_bytes<Isa, kTarget, kStream>(factors, codes, out);
}

template <class Isa, Target kTarget, bool kStream>
inline void ct_byte_row(const PackedLinear& linear, std::uint64_t row, unsigned char* out) {
  constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
  const unsigned char* codes = line(linear[Role::codes], row);
  const unsigned char* scales = line(linear[Role::scales], row);
  const CtZeros zeros(linear, row);
  std::uint64_t group = 0;
  for (std::uint64_t k = 0; k < linear.in_features; ++group) {
    const std::uint64_t left = linear.in_features - k;
    const std::uint64_t stop = k + (left < linear.group_size ? left : linear.group_size);
    const float scale = load_float(scales + group * 2, linear.scale_type);
    const float magnitude = __builtin_fabsf(scale);
    const bool fused = Isa::kFuses && scale >= kLeastFused && scale <= kMostFused;
    const auto zero = static_cast<float>(zeros.at(group));
    const ByteFactors factors = {scale, fused ? zero * scale : zero, !(magnitude < kRareMagnitude),
                                 fused};
    for (; k + kQuarter <= stop; k += kQuarter) {
      if (k % (4 * kQuarter) == 0) __builtin_prefetch(codes + k + kBytesAhead, 0, 2);
      if constexpr (!Isa::kFuses) {
        put_bytes<Isa, kTarget, kStream>(factors, codes + k, out + k * kElement);
      } else if (fused) {
        put_usual_bytes<Isa, kTarget, kStream, true>(factors, codes + k, out + k * kElement);
      } else {
        put_bytes_apart<Isa, kTarget, kStream>(factors, codes + k, out + k * kElement);
      }
    }
    if (k == stop) continue;
    put_few_bytes<Isa, kTarget>(factors, codes + k, stop - k, out + k * kElement);
    k = stop;
  }
}

template <class Isa, Target kTarget>
inline void ct_byte_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                         void* out, const OutputFormat& format) {
  if (linear[Role::group_index].data != nullptr || linear.scale_type == FloatType::float32) {
    return ct_plain<kTarget>(linear, row_begin, row_end, out);
  }
  const bool whole_runs =
      linear.group_size % kQuarter == 0 || linear.group_size >= linear.in_features;
  const bool stream = whole_runs && can_stream<kTarget>(linear, format);
  const std::uint64_t pitch = linear.in_features * sizeof(ElementOf<kTarget>);
  for (std::uint64_t row = row_begin; row < row_end; ++row) {
    unsigned char* to = static_cast<unsigned char*>(out) + (row - row_begin) * pitch;
    stream ? ct_byte_row<Isa, kTarget, true>(linear, row, to)
           : ct_byte_row<Isa, kTarget, false>(linear, row, to);
  }
  if (stream) Isa::fence();
}

}  // namespace
}  // namespace thaw::kernels
