// From a code to the bits that must be in the output: specs/numbers.md, written a second time for
// the certificate, in double and one value at a time.
#pragma once

#include <cstdint>

#include "base/dtype.h"
#include "quant/code_reader.h"

namespace thaw {

// `value` rounded once to the type (f16, bf16, f32), nearest even; NaN is the positive quiet one.
[[nodiscard]] std::uint32_t round_once(double value, Dtype type);

// The number that the bits of a type (f16, bf16, f32) mean.
[[nodiscard]] double float_of_bits(std::uint32_t bits, Dtype type);

struct OutputValue {
  Dtype type = Dtype::f16;
  bool via_float16 = false;
};

// The bits of an element; with a divisor other than 0, of the quotient of clause 8.
[[nodiscard]] std::uint32_t value_bits(const CodeStep& step, std::int32_t code, double divisor,
                                       const OutputValue& output);

}  // namespace thaw
