// Which activation scales are folded into which linear: specs/models.md clause 4.
#pragma once

#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "model/spec.h"
#include "plan/fold.h"
#include "quant/linears.h"

namespace thaw {

// All folds of a checkpoint, sorted by the name of the scales. `spec` describes its architecture,
// null: there is none. Reads the scales. Errors, all of them at once, ErrorCode::input: scales
// without a spec, or that the spec does not name; a linear that is missing or of another width;
// a scale that is zero, infinite or NaN. ErrorCode::io: the file cannot be read.
[[nodiscard]] Result<std::vector<Fold>> find_folds(const Checkpoint& checkpoint,
                                                   const QuantizedLinears& linears,
                                                   const ModelSpec* spec);

}  // namespace thaw
