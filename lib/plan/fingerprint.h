// What a plan decides, as one number: where fingerprints are equal, equal input gives equal output.
// specs/output.md clause 11.
#pragma once

#include <string>

#include "plan/plan.h"

namespace thaw {

// Of a plan that is whole but for its fingerprint. Holds everything that decides a byte: the plan
// itself (files, segments, texts, the linears as they were decided), the options, and the headers
// and configs that were read. Not in it: threads, memory, how a path was spelled, and the size,
// times and inode of the inputs, which sink/input_marks.h watches.
[[nodiscard]] std::string plan_fingerprint(const PlanRequest& request, const Plan& plan);

}  // namespace thaw
