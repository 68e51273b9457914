// The 8-bit codes of ct_pack. 256 values a group would make too large a table: the product with a
// 16-bit scale is exact in float32, and the compiler makes vectors of the loop. float16 comes from
// the instruction set (`Isa`: kCastStep, widen_half, narrow_half, as in cast-inl.h).
#pragma once

#include "kernels/ct-plain-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kByteRun = 128;

// No value is NaN. Always a whole run: what follows the values is ignored by the caller.
template <class Isa, Target kTarget>
inline void narrow_run(float* values, ElementOf<kTarget>* out) {
  if constexpr (kTarget == Target::float32) {
    __builtin_memcpy(out, values, kByteRun * 4);
  } else {
    if constexpr (kTarget != Target::bfloat16) {
      for (std::uint64_t i = 0; i < kByteRun; i += Isa::kCastStep) {
        Isa::narrow_half(values + i, reinterpret_cast<unsigned char*>(out + i));
      }
    }
    if constexpr (kTarget == Target::bfloat16_via_float16) {
      for (std::uint64_t i = 0; i < kByteRun; i += Isa::kCastStep) {
        Isa::widen_half(reinterpret_cast<const unsigned char*>(out + i), values + i);
      }
    }
    if constexpr (kTarget != Target::float16) {
      for (std::uint64_t i = 0; i < kByteRun; ++i) {
        const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, values[i]);
        out[i] = static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
      }
    }
  }
}

// `count` codes that share a scale and a zero.
template <class Isa, Target kTarget>
inline void put_bytes(const unsigned char* codes, std::uint64_t count, float zero, float scale,
                      ElementOf<kTarget>* out) {
  alignas(64) float values[kByteRun];
  for (; count >= kByteRun; count -= kByteRun, codes += kByteRun, out += kByteRun) {
    for (std::uint64_t i = 0; i < kByteRun; ++i) {
      values[i] = (static_cast<float>(codes[i]) - zero) * scale;
    }
    narrow_run<Isa, kTarget>(values, out);
  }
  if (count == 0) return;
  alignas(64) unsigned char rest[kByteRun] = {};
  alignas(64) ElementOf<kTarget> narrowed[kByteRun];
  __builtin_memcpy(rest, codes, count);
  for (std::uint64_t i = 0; i < kByteRun; ++i) {
    values[i] = (static_cast<float>(rest[i]) - zero) * scale;
  }
  narrow_run<Isa, kTarget>(values, narrowed);
  __builtin_memcpy(out, narrowed, count * sizeof *out);
}

// Groups whose scale is so large that float32 might overflow, or no number, go the careful way.
inline bool fits_float32(double scale) { return magnitude_of(scale) < 0x1p119; }

template <class Isa, Target kTarget>
inline void ct_byte_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                         void* out) {
  if (linear.group_index.data != nullptr || linear.scale_type == FloatType::float32) {
    return ct_plain<kTarget>(linear, row_begin, row_end, out);
  }
  for (std::uint64_t row = row_begin; row < row_end; ++row) {
    auto* to = static_cast<ElementOf<kTarget>*>(out) + (row - row_begin) * linear.in_features;
    const unsigned char* codes = line(linear.qweight, row);
    const CtZeros zeros(linear, row);
    for (std::uint64_t k = 0; k < linear.in_features;) {
      const std::uint64_t group = k / linear.group_size;
      const std::uint64_t left = linear.in_features - k;
      const std::uint64_t count = left < linear.group_size ? left : linear.group_size;
      const double scale = load_scale(linear, row, group);
      if (fits_float32(scale)) [[likely]] {
        put_bytes<Isa, kTarget>(codes + k, count, static_cast<float>(zeros.at(group)),
                                static_cast<float>(scale), to + k);
      } else {
        ct_columns<kTarget>(linear, row, row + 1, k, k + count, to);
      }
      k += count;
    }
  }
}

}  // namespace
}  // namespace thaw::kernels
