// Every tensor of the output: what it is called, what it is, and what makes it.
#pragma once

#include <vector>

#include "base/status.h"
#include "plan/plan.h"

namespace thaw {

// In natural name order. Fills plan.linears, plan.weight_shapes and the counters of `plan`.
[[nodiscard]] Result<std::vector<OutputTensor>> list_output_tensors(const PlanRequest& request,
                                                                    Plan& plan);

}  // namespace thaw
