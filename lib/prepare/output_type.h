// The type of the output's weights: specs/numbers.md.
#pragma once

#include <string>

#include "base/dtype.h"
#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "prepare/options.h"
#include "quant/linears.h"

namespace thaw {

struct OutputType {
  Dtype dtype = Dtype::f16;
  std::string reason;  // why this one, for people
};

// Errors: ErrorCode::usage when nothing decides it, or the options contradict each other.
[[nodiscard]] Result<OutputType> choose_output_type(const ConvertOptions& options,
                                                    const Checkpoint& checkpoint,
                                                    const QuantizedLinears& linears);

}  // namespace thaw
