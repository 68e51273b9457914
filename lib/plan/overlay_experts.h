// Experts of the quantized checkpoint in the form that the base of an overlay holds them in.
// specs/overlay.md clause 3.6. Private to lib/plan.
#pragma once

#include "base/status.h"
#include "plan/overlay.h"

namespace thaw {

// Names are those of the quantized checkpoint's blocks. Only what it does not have in that form;
// nothing where the spec says nothing of experts. Errors: those of describe_experts().
[[nodiscard]] Result<std::vector<ExpertTensor>> experts_like_base(const OverlayRequest& request);

}  // namespace thaw
