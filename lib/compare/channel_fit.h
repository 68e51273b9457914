// Whether one weight is another whose columns and rows were multiplied by factors, as AWQ does.
// Private to lib/compare.
#pragma once

#include "compare/compare_faults.h"

namespace thaw {

// One of the faults of scaling, or none. specs/verify.md clause 8.
[[nodiscard]] Fault find_scaling(const FaultSample& sample, const FaultNorm& norm);

}  // namespace thaw
