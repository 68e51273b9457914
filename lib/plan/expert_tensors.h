// The experts of a checkpoint in the form that the architecture's float checkpoints have.
// specs/models.md clause 6. Private to lib/plan.
#pragma once

#include <set>

#include "base/status.h"
#include "plan/expert_sources.h"
#include "plan/folded.h"
#include "plan/plan.h"

namespace thaw {

// What has been added to a plan in another form: nobody adds it again.
struct PlacedExperts {
  std::set<const QuantizedLinear*> linears;
  std::set<const Tensor*> tensors;
};

// Adds the tensors of all experts that request.expert_spec describes. Errors, all of them at once,
// ErrorCode::input: experts that are missing, of several shapes, or more or fewer than the config
// says; types that one tensor cannot hold; biases that the architecture has no place for.
[[nodiscard]] Result<PlacedExperts> add_experts(const PlanRequest& request, const Folded& folded,
                                                Plan& plan);

}  // namespace thaw
