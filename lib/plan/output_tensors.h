// Every tensor of the output: what it is called, what it is, and what makes it. Private to
// lib/plan.
#pragma once

#include "base/status.h"
#include "plan/plan.h"

namespace thaw {

// Fills plan.tensors, in natural name order, their segments (offsets count from the tensor's
// start), plan.linears, plan.divisors and the counters.
[[nodiscard]] Status list_output_tensors(const PlanRequest& request, Plan& plan);
// The same of an overlay: the tensors of its base.
void list_overlay_tensors(const PlanRequest& request, Plan& plan);

}  // namespace thaw
