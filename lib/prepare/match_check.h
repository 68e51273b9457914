// Whether a base and a quantized checkpoint belong together: specs/overlay.md clause 6.
#pragma once

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "kernels/kernels.h"
#include "model/spec.h"
#include "plan/overlay.h"
#include "prepare/report.h"

namespace thaw {

// Reads a few rows of some linears of a few layers. Errors: ErrorCode::input, they are not the same
// model; ErrorCode::io.
[[nodiscard]] Result<MatchSummary> check_match(const Checkpoint& quantized,
                                               const QuantizedLinears& linears,
                                               std::span<const Fold> folds, const Overlay& overlay,
                                               const ModelSpec& spec, const kernels::Table& table);

}  // namespace thaw
