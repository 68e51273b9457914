// Biases that the output has no place for can only be left out where they add nothing: GPTQ's
// packers wrote biases of zeros where the model had none. Private to lib/prepare.
#pragma once

#include <span>
#include <string>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "kernels/kernels.h"
#include "quant/linears.h"

namespace thaw {

// All of `biases` hold zeros only. `why` begins the message of one that does not: "the base has no
// such bias". Errors, all of them at once, ErrorCode::input; and those of reading.
[[nodiscard]] Status check_zero_biases(const Checkpoint& checkpoint,
                                       const QuantizedLinears& linears,
                                       std::span<const Tensor* const> biases,
                                       const std::string& why, const kernels::Table& table);

}  // namespace thaw
