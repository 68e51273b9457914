// What a scaled element is, from the formulas of specs/scaled_elements.md in integers: a fraction
// of two whole numbers times a power of two, rounded once. Slow and plain on purpose, and shares
// nothing with lib/.
#pragma once

#include <cstdint>

#include "support/oracle.h"

namespace thaw::oracle {

// +-numerator / denominator * 2^exponent, or none of the numbers.
struct Fraction {
  enum Kind { finite, infinite, nan } kind = finite;
  bool negative = false;
  std::uint64_t numerator = 0;
  std::uint64_t denominator = 1;
  int exponent = 0;
};

// A float of any size: sign, exponent and fraction, the highest exponent being a number in those
// kinds that have no infinity.
inline Fraction fraction_of(std::uint32_t bits, int exponent_bits, int fraction_bits,
                            bool has_infinity) {
  Fraction result;
  const std::uint32_t fraction = bits & ((1u << fraction_bits) - 1);
  const auto exponent = static_cast<int>(bits >> fraction_bits & ((1u << exponent_bits) - 1));
  result.negative = (bits >> (exponent_bits + fraction_bits) & 1u) != 0;
  if (has_infinity && exponent == (1 << exponent_bits) - 1) {
    result.kind = fraction == 0 ? Fraction::infinite : Fraction::nan;
    return result;
  }
  result.numerator = exponent == 0 ? fraction : fraction + (1u << fraction_bits);
  result.exponent =
      (exponent == 0 ? 1 : exponent) - ((1 << (exponent_bits - 1)) - 1) - fraction_bits;
  return result;
}

inline Fraction e4m3(std::uint32_t code) {
  Fraction result = fraction_of(code, 4, 3, false);
  if ((code & 0x7fu) == 0x7f) result.kind = Fraction::nan;
  return result;
}
inline Fraction e5m2(std::uint32_t code) { return fraction_of(code, 5, 2, true); }
inline Fraction e2m1(std::uint32_t code) { return fraction_of(code & 15u, 2, 1, false); }
inline Fraction e8m0(std::uint32_t byte) {
  Fraction result;
  result.numerator = 1;
  result.exponent = static_cast<int>(byte) - 127;
  if (byte == 255) result.kind = Fraction::nan;
  return result;
}
inline Fraction wide(std::uint32_t bits, const Type& type) {
  if (type.bytes == 4) return fraction_of(bits, 8, 23, true);
  return type.precision == 11 ? fraction_of(bits, 5, 10, true) : fraction_of(bits, 8, 7, true);
}

inline Fraction times(Fraction a, const Fraction& b) {
  const bool zero_times_infinity =
      (a.kind == Fraction::infinite && b.kind == Fraction::finite && b.numerator == 0) ||
      (b.kind == Fraction::infinite && a.kind == Fraction::finite && a.numerator == 0);
  a.negative = a.negative != b.negative;
  if (a.kind == Fraction::nan || b.kind == Fraction::nan || zero_times_infinity) {
    a.kind = Fraction::nan;
  } else if (b.kind == Fraction::infinite) {
    a.kind = Fraction::infinite;
  }
  a.numerator *= b.numerator;
  a.denominator *= b.denominator;
  a.exponent += b.exponent;
  return a;
}

inline Fraction inverse(Fraction a) {
  if (a.kind == Fraction::nan) return a;
  if (a.kind == Fraction::infinite) {
    a.kind = Fraction::finite;
    a.numerator = 0;
    a.denominator = 1;
    a.exponent = 0;
    return a;
  }
  if (a.numerator == 0) {
    a.kind = Fraction::infinite;
    return a;
  }
  const std::uint64_t numerator = a.denominator;
  a.denominator = a.numerator;
  a.numerator = numerator;
  a.exponent = -a.exponent;
  return a;
}

// Nearest, ties to even, gradual underflow.
inline std::uint32_t bits_from_fraction(const Fraction& value, const Type& type) {
  const std::uint32_t sign = value.negative ? type.sign : 0;
  if (value.kind == Fraction::nan) return type.nan;
  if (value.kind == Fraction::infinite) return sign | type.infinity;
  if (value.numerator == 0) return sign;
  // 74 more places than there are; what is left after them is only looked at for whether it is 0.
  constexpr int kPlaces = 74;
  const unsigned __int128 whole = static_cast<unsigned __int128>(value.numerator) << kPlaces;
  unsigned __int128 digits = whole / value.denominator;
  bool below = whole % value.denominator != 0;
  int exponent = value.exponent - kPlaces;  // of the last digit
  int length = 0;
  while (length < 128 && (digits >> length) != 0) ++length;
  const int smallest = type.smallest - 149;
  int unit = exponent + length - type.precision;  // the exponent of the last bit that stays
  if (unit < smallest) unit = smallest;
  bool half = false;
  for (; exponent < unit; ++exponent) {
    below = below || half;
    half = (digits & 1) != 0;
    digits >>= 1;
  }
  auto kept = static_cast<std::uint64_t>(digits);
  if (half && (below || kept % 2 == 1)) ++kept;
  const std::uint64_t bits =
      (static_cast<std::uint64_t>(unit - smallest) << (type.precision - 1)) + kept;
  return sign | (bits < type.infinity ? static_cast<std::uint32_t>(bits) : type.infinity);
}

}  // namespace thaw::oracle
