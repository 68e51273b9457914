// float16, bfloat16 and float32, one value at a time, every result rounded once (specs/numbers.md).
// Included by each kernel file, which thereby gets its own copy compiled for its instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace thaw::kernels {
namespace {

// What a kernel produces. The output format's type and rounding in one, as a template argument.
enum class Target { float16, bfloat16, bfloat16_via_float16, float32 };

inline Target target_of(const OutputFormat& format) {
  if (format.type == FloatType::float16) return Target::float16;
  if (format.type == FloatType::float32) return Target::float32;
  return format.rounding == Rounding::via_float16 ? Target::bfloat16_via_float16 : Target::bfloat16;
}

template <Target>
struct Element {
  using type = std::uint16_t;
};
template <>
struct Element<Target::float32> {
  using type = std::uint32_t;
};
template <Target kTarget>
using ElementOf = typename Element<kTarget>::type;

inline constexpr std::uint16_t kHalfNan = 0x7e00;
inline constexpr std::uint16_t kBfloat16Nan = 0x7fc0;
inline constexpr std::uint32_t kFloatNan = 0x7fc00000;

// Files put tensors at any byte, so every load goes through memcpy. The targets are little-endian.
template <class T>
inline T load(const void* from) {
  T value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
inline void store(void* to, T value) {
  __builtin_memcpy(to, &value, sizeof value);
}

inline float float_from_half(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16;
  const std::uint32_t magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00) {  // infinity, NaN
    return __builtin_bit_cast(float, sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  }
  if (magnitude >= 0x0400) {
    return __builtin_bit_cast(float, sign | ((magnitude << 13) + 0x38000000u));
  }
  const float unsigned_value = static_cast<float>(magnitude) * 0x1p-24f;  // subnormal, exact
  return __builtin_bit_cast(float, sign | __builtin_bit_cast(std::uint32_t, unsigned_value));
}

inline float float_from_bfloat16(std::uint16_t bits) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(bits) << 16);
}

inline std::uint16_t half_from_float(float value) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return kHalfNan;
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // >= 65520
  if (magnitude < 0x38800000u) {
    // Below 2^-14. A float just above 0.5 has its last bit worth 2^-24, as a subnormal half has:
    // adding 0.5 makes the processor round to that.
    const float sum = __builtin_bit_cast(float, magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign |
                                      (__builtin_bit_cast(std::uint32_t, sum) - 0x3f000000u));
  }
  const std::uint32_t rounded = magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u);
  return static_cast<std::uint16_t>(sign | rounded >> 13);
}

inline std::uint16_t bfloat16_from_float(float value) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return kBfloat16Nan;
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

inline double magnitude_of(double value) { return value < 0 ? -value : value; }

// Rounds to float32 "to odd": an inexact result takes the neighbour whose last bit is 1. A second
// rounding, to nearest in a type at least two bits narrower, then gives what one rounding would.
inline float odd_float(double value) {
  const float nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || value != value) return nearest;
  std::uint32_t bits = __builtin_bit_cast(std::uint32_t, nearest);
  if (magnitude_of(static_cast<double>(nearest)) > magnitude_of(value)) --bits;
  return __builtin_bit_cast(float, bits | 1u);
}

// The exact sum of two doubles that cannot overflow, rounded to odd.
inline double odd_sum(double a, double b) {
  const double sum = a + b;
  if (!(magnitude_of(sum) < __builtin_inf())) return sum;  // an operand was infinite or NaN
  const double b_part = sum - a;
  const double error = (a - (sum - b_part)) + (b - b_part);
  const std::uint64_t bits = __builtin_bit_cast(std::uint64_t, sum);
  if (error == 0 || (bits & 1u) != 0) return sum;
  return __builtin_bit_cast(double, (error > 0) == (sum > 0) ? bits + 1 : bits - 1);
}

// From a value that is exact, or that was rounded to odd from one, to the output.
template <Target kTarget>
inline ElementOf<kTarget> narrow(double value) {
  if constexpr (kTarget == Target::float32) {
    if (value != value) return kFloatNan;
    return __builtin_bit_cast(std::uint32_t, static_cast<float>(value));
  } else if constexpr (kTarget == Target::bfloat16) {
    return bfloat16_from_float(odd_float(value));
  } else {
    const std::uint16_t half = half_from_float(odd_float(value));
    if constexpr (kTarget == Target::float16) return half;
    return bfloat16_from_float(float_from_half(half));
  }
}

inline std::uint64_t size_of(FloatType type) { return type == FloatType::float32 ? 4 : 2; }

inline float load_float(const void* from, FloatType type) {
  if (type == FloatType::float32) return load<float>(from);
  const auto bits = load<std::uint16_t>(from);
  return type == FloatType::float16 ? float_from_half(bits) : float_from_bfloat16(bits);
}

}  // namespace
}  // namespace thaw::kernels
