#include "verify/round_once.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/half.h"

namespace thaw {

namespace {

// a + b, where it is not exact rounded to odd, so that rounding it again to fewer bits gives what
// rounding the exact sum would.
double add_to_odd(double a, double b) {
  const double sum = a + b;
  if (!std::isfinite(sum)) return sum;
  const double b_seen = sum - a;
  const double lost = (a - (sum - b_seen)) + (b - b_seen);
  if (lost == 0) return sum;
  if ((std::bit_cast<std::uint64_t>(sum) & 1u) != 0) return sum;
  return std::nextafter(sum, lost > 0 ? HUGE_VAL : -HUGE_VAL);
}

// number * (scale + offset): the two products are exact in pairs of doubles, and so is the sum of
// both, which is rounded to odd.
double table_value(float number, double scale, double offset) {
  const double plain = number * (scale + offset);
  if (!std::isfinite(plain)) return plain;
  // 48 bits times 24: the product and what it lost.
  const double high = number * scale;
  const double low = std::fma(static_cast<double>(number), scale, -high);
  const double second = number * offset;
  const double sum = high + second;
  const double seen = sum - high;
  const double rest = (high - (sum - seen)) + (second - seen);
  return add_to_odd(sum, rest + low);
}

// The same for a type of `precision` bits whose smallest subnormal is 2^smallest.
std::uint32_t round_to(double value, int precision, int smallest, std::uint32_t infinity) {
  int exponent = 0;
  std::frexp(value, &exponent);
  const int unit = std::max(exponent - precision, smallest);
  const auto kept = static_cast<std::uint64_t>(std::nearbyint(std::ldexp(std::fabs(value), -unit)));
  const std::uint64_t bits =
      (static_cast<std::uint64_t>(unit - smallest) << (precision - 1)) + kept;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(bits, infinity));
}

}  // namespace

std::uint32_t round_once(double value, Dtype type) {
  const auto narrow = static_cast<float>(value);
  if (type == Dtype::f32) {
    return std::isnan(value) ? 0x7fc0'0000u : std::bit_cast<std::uint32_t>(narrow);
  }
  if (static_cast<double>(narrow) == value || std::isnan(value)) {
    return type == Dtype::f16 ? half_from_float(narrow) : bfloat16_from_float(narrow);
  }
  const std::uint32_t sign = std::signbit(value) ? 0x8000u : 0;
  return sign |
         (type == Dtype::f16 ? round_to(value, 11, -24, 0x7c00) : round_to(value, 8, -133, 0x7f80));
}

double float_of_bits(std::uint32_t bits, Dtype type) {
  if (type == Dtype::f32) return static_cast<double>(std::bit_cast<float>(bits));
  const auto half = static_cast<std::uint16_t>(bits);
  return static_cast<double>(type == Dtype::f16 ? float_from_half(half)
                                                : float_from_bfloat16(half));
}

std::uint32_t value_bits(const CodeStep& step, std::int32_t code, double divisor,
                         const OutputValue& output) {
  double value = 0;
  if (step.table != nullptr) {
    value = table_value(step.table[code], step.scale, step.scaled_zero);
  } else if (step.is_element) {
    const double number = number_of_element(step.element, static_cast<std::uint32_t>(code));
    value = number * step.scale / step.divisor;
  } else {
    value = step.is_sum ? add_to_odd(code * step.scale, step.scaled_zero)
                        : (code - step.zero) * step.scale / step.divisor;
  }
  if (divisor != 0) {
    value = static_cast<double>(std::bit_cast<float>(round_once(value, Dtype::f32))) / divisor;
  }
  if (output.via_float16) {
    const auto half = static_cast<std::uint16_t>(round_once(value, Dtype::f16));
    value = static_cast<double>(float_from_half(half));
  }
  return round_once(value, output.type);
}

}  // namespace thaw
