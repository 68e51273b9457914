// Numbers and the rounding of them in exact integer arithmetic, for the oracle: oracle.h.
#pragma once

#include <array>
#include <cstdint>

namespace thaw::oracle {

// A binary floating point type: the bits of its significand, the leading one included, and how
// many times its smallest subnormal holds 2^-149, as a power of two.
struct Type {
  int precision;
  int smallest;
  std::uint32_t infinity;
  std::uint32_t nan;
  std::uint32_t sign;
  int bytes;
};
inline constexpr Type kFloat16{11, 125, 0x7c00, 0x7e00, 0x8000, 2};
inline constexpr Type kBfloat16{8, 16, 0x7f80, 0x7fc0, 0x8000, 2};
inline constexpr Type kFloat32{24, 0, 0x7f800000, 0x7fc00000, 0x80000000, 4};

// A number: sign and magnitude in units of 2^-149, wide enough for any sum that can come up.
struct Number {
  enum Kind { finite, infinite, nan } kind = finite;
  bool negative = false;
  std::array<std::uint32_t, 10> limb{};
  int finer = 0;  // the units are so many times halved

  [[nodiscard]] bool is_zero() const { return limb == std::array<std::uint32_t, 10>{}; }
  [[nodiscard]] bool bit(int i) const { return i >= 0 && (limb[i / 32] >> (i % 32) & 1u) != 0; }
  [[nodiscard]] int length() const {
    int n = 320;
    while (n > 0 && !bit(n - 1)) --n;
    return n;
  }
};

inline Number number_from_bits(std::uint32_t bits, const Type& type) {
  Number result;
  result.negative = (bits & type.sign) != 0;
  const std::uint32_t magnitude = bits & ~type.sign;
  if (magnitude >= type.infinity) {
    result.kind = magnitude > type.infinity ? Number::nan : Number::infinite;
    return result;
  }
  const std::uint32_t hidden = 1u << (type.precision - 1);
  const std::uint32_t exponent = magnitude / hidden;
  const std::uint32_t fraction = magnitude % hidden + (exponent != 0 ? hidden : 0);
  const int shift = type.smallest + (exponent != 0 ? static_cast<int>(exponent) - 1 : 0);
  for (int i = 0; i < 24; ++i) {
    if ((fraction >> i & 1u) != 0) result.limb[(shift + i) / 32] |= 1u << ((shift + i) % 32);
  }
  return result;
}

// Nearest, ties to even, gradual underflow; NaN is the positive quiet one without payload.
inline std::uint32_t bits_from_number(const Number& value, const Type& type) {
  const std::uint32_t sign = value.negative ? type.sign : 0;
  if (value.kind == Number::nan) return type.nan;
  if (value.kind == Number::infinite) return sign | type.infinity;
  const int smallest = type.smallest + value.finer;
  int unit = value.length() - type.precision;  // the place of the last bit that stays
  if (unit < smallest) unit = smallest;
  std::uint64_t kept = 0;
  for (int i = type.precision - 1; i >= 0; --i) kept = kept << 1 | (value.bit(unit + i) ? 1 : 0);
  bool below = false;  // anything after the first bit that goes
  for (int i = 0; i < unit - 1; ++i) below = below || value.bit(i);
  if (value.bit(unit - 1) && (below || kept % 2 == 1)) ++kept;
  const std::uint64_t bits =
      (static_cast<std::uint64_t>(unit - smallest) << (type.precision - 1)) + kept;
  return sign | (bits < type.infinity ? static_cast<std::uint32_t>(bits) : type.infinity);
}

// factor * value; the sign of zero as IEEE 754 has it, factor 0 being positive.
inline Number times(int factor, Number value) {
  if (value.kind == Number::infinite && factor == 0) value.kind = Number::nan;
  value.negative = value.negative != (factor < 0);
  std::uint64_t carry = 0;
  for (std::uint32_t& limb : value.limb) {
    carry += static_cast<std::uint64_t>(limb) *
             static_cast<std::uint32_t>(factor < 0 ? -factor : factor);
    limb = static_cast<std::uint32_t>(carry);
    carry >>= 32;
  }
  return value;
}

// In units that are 2^32 times finer; where it does not go in them, the last bit says that there is
// more.
inline Number divided(Number value, std::uint32_t divisor) {
  for (std::size_t i = value.limb.size() - 1; i > 0; --i) value.limb[i] = value.limb[i - 1];
  value.limb[0] = 0;
  value.finer = 32;
  std::uint64_t rest = 0;
  for (std::size_t i = value.limb.size(); i-- != 0;) {
    rest = rest << 32 | value.limb[i];
    value.limb[i] = static_cast<std::uint32_t>(rest / divisor);
    rest %= divisor;
  }
  if (rest != 0) value.limb[0] |= 1;
  return value;
}

inline Number plus(const Number& a, const Number& b) {
  if (a.kind != Number::finite || b.kind != Number::finite) {
    Number result = a.kind != Number::finite ? a : b;
    const bool clash = a.kind == b.kind && a.negative != b.negative;
    if (a.kind == Number::nan || b.kind == Number::nan || clash) result.kind = Number::nan;
    return result;
  }
  Number result = a;
  std::int64_t carry = 0;
  const std::int64_t direction = a.negative == b.negative ? 1 : -1;
  for (std::size_t i = 0; i < a.limb.size(); ++i) {
    carry +=
        static_cast<std::int64_t>(a.limb[i]) + direction * static_cast<std::int64_t>(b.limb[i]);
    result.limb[i] = static_cast<std::uint32_t>(carry);
    carry >>= 32;
  }
  if (carry < 0) {  // b was the larger: negate
    result.negative = b.negative;
    std::uint64_t one = 1;
    for (std::uint32_t& limb : result.limb) {
      one += static_cast<std::uint32_t>(~limb);
      limb = static_cast<std::uint32_t>(one);
      one >>= 32;
    }
  }
  if (result.is_zero()) result.negative = a.negative && b.negative;
  return result;
}

}  // namespace thaw::oracle
