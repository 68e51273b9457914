// What the values of a padded weight say of its padding: specs/overlay.md clause 4.8.
#pragma once

#include <string>

#include "base/status.h"
#include "plan/padded_modules.h"
#include "prepare/sample_rows.h"

namespace thaw {

// Reads all of the module's first weight, piece by piece, and counts the rows or columns that hold
// zeros only: "its last 32 rows hold zeros only". Empty where the weight is not packed as a matrix.
// Errors: ErrorCode::io, no_space.
[[nodiscard]] Result<std::string> describe_padding(const PaddedModule& module, SampleRows& reader);

}  // namespace thaw
