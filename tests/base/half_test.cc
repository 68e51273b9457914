// Against the compiler's own arithmetic where it has the type, and against exact double arithmetic.
#include "base/half.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <random>

namespace thaw {
namespace {

// The value of a half, in double, from the definition.
double exact_half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const double fraction = bits & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST_CASE("widening a half gives its exact value, for all of them") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = float_from_half(half);
    if ((bits & 0x7fff) > 0x7c00) {
      CHECK(std::isnan(value));
    } else if ((bits & 0x7fff) == 0x7c00) {
      CHECK(std::isinf(value));
    } else if (static_cast<double>(value) != exact_half(half) ||
               std::signbit(value) != ((bits & 0x8000) != 0)) {
      CAPTURE(bits);
      FAIL("widened to another value");
    }
  }
}

TEST_CASE("narrowing returns every half and bfloat16 to itself") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto raw = static_cast<std::uint16_t>(bits);
    const bool half_nan = (bits & 0x7fff) > 0x7c00;
    const bool bfloat_nan = (bits & 0x7fff) > 0x7f80;
    if (half_from_float(float_from_half(raw)) != (half_nan ? 0x7e00 : raw)) FAIL(bits);
    if (bfloat16_from_float(float_from_bfloat16(raw)) != (bfloat_nan ? 0x7fc0 : raw)) FAIL(bits);
  }
}

TEST_CASE("narrowing to half takes the nearest, ties to even") {
  // Between each pair of neighbours: the middle goes to the even one, a hair beside it to the near.
  for (std::uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const auto low = static_cast<std::uint16_t>(bits);
    const auto high = static_cast<std::uint16_t>(bits + 1);
    const auto middle = static_cast<float>((exact_half(low) + exact_half(high)) / 2);
    const std::uint16_t even = (low & 1) == 0 ? low : high;
    REQUIRE(half_from_float(middle) == even);
    REQUIRE(half_from_float(std::nextafter(middle, 0.0f)) == low);
    REQUIRE(half_from_float(std::nextafter(middle, 1e9f)) == high);
    REQUIRE(half_from_float(-middle) == (even | 0x8000));
  }
  CHECK(half_from_float(65519.996f) == 0x7bff);
  CHECK(half_from_float(65520.0f) == 0x7c00);
  CHECK(half_from_float(std::numeric_limits<float>::infinity()) == 0x7c00);
  CHECK(half_from_float(-std::numeric_limits<float>::infinity()) == 0xfc00);
}

TEST_CASE("narrowing to bfloat16 takes the nearest, ties to even") {
  std::mt19937 random(7);
  for (int i = 0; i < 200'000; ++i) {
    const std::uint32_t bits = static_cast<std::uint32_t>(random()) & 0x7fff'ffff;
    if (bits >= 0x7f80'0000) continue;
    const std::uint32_t rest = bits & 0xffff;
    const std::uint32_t kept = bits >> 16;
    const bool up = rest > 0x8000 || (rest == 0x8000 && (kept & 1) != 0);
    REQUIRE(bfloat16_from_float(std::bit_cast<float>(bits)) == kept + (up ? 1 : 0));
  }
}

}  // namespace
}  // namespace thaw
