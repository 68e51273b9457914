// float16 and bfloat16, one value at a time, in plain C++: exact widening, narrowing with one
// rounding to nearest even, gradual underflow. Narrowing turns every NaN into the positive quiet
// NaN without payload (specs/numbers.md clause 5).
#pragma once

#include <cstdint>

namespace thaw {

[[nodiscard]] float float_from_half(std::uint16_t bits);
[[nodiscard]] float float_from_bfloat16(std::uint16_t bits);
[[nodiscard]] std::uint16_t half_from_float(float value);
[[nodiscard]] std::uint16_t bfloat16_from_float(float value);

}  // namespace thaw
