#include "base/half.h"

#include <bit>

namespace thaw {

namespace {

constexpr std::uint32_t kFloatInfinity = 0x7f80'0000;

// `significand` >> `shift`, rounded to nearest, ties to even. shift is 1..31.
std::uint32_t shift_and_round(std::uint32_t significand, unsigned shift) {
  const std::uint32_t kept = significand >> shift;
  const std::uint32_t lost = significand & ((1u << shift) - 1);
  const std::uint32_t half = 1u << (shift - 1);
  return kept + ((lost > half || (lost == half && (kept & 1u) != 0)) ? 1u : 0u);
}

}  // namespace

float float_from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

float float_from_half(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fu;
  const std::uint32_t fraction = bits & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | kFloatInfinity | (fraction << 13));
  if (exponent == 0) {
    // Subnormal: fraction units of 2^-24, exact in float32.
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

std::uint16_t half_from_float(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fff'ffffu;
  if (magnitude > kFloatInfinity) return 0x7e00;
  const std::uint32_t exponent = magnitude >> 23;
  if (exponent >= 143) return static_cast<std::uint16_t>(sign | 0x7c00u);  // >= 2^16
  if (exponent >= 113) {
    // Normal in half: drop 13 bits; a carry into the exponent, up to infinity, is what we want.
    return static_cast<std::uint16_t>(sign | shift_and_round(magnitude - (112u << 23), 13));
  }
  if (exponent < 102) return static_cast<std::uint16_t>(sign);  // below 2^-25: to zero
  const std::uint32_t significand = (magnitude & 0x7f'ffffu) | 0x80'0000u;
  return static_cast<std::uint16_t>(sign | shift_and_round(significand, 126 - exponent));
}

std::uint16_t bfloat16_from_float(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fff'ffffu) > kFloatInfinity) return 0x7fc0;
  return static_cast<std::uint16_t>(shift_and_round(bits, 16));
}

}  // namespace thaw
