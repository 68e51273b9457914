// The tensors of an overlay's output. Private to lib/plan.
#pragma once

#include <vector>

#include "base/status.h"
#include "plan/plan.h"

namespace thaw {

// As list_output_tensors(), where request.overlay is not null: names, shapes and types are the
// base's. specs/overlay.md clause 5.
[[nodiscard]] std::vector<OutputTensor> list_overlay_tensors(const PlanRequest& request,
                                                             Plan& plan);

}  // namespace thaw
