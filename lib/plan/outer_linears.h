// The quantized linears of an overlay that lie outside of the blocks: a head, an embedding, a
// vision tower. What happens with each is asked for by name. specs/overlay.md clause 8.
// Private to lib/plan.
#pragma once

#include <string_view>
#include <vector>

#include "base/status.h"
#include "plan/overlay.h"

namespace thaw {

struct OuterLinears {
  std::vector<TakenLinear> taken;
  std::vector<std::string_view> left;  // modules of the quantized checkpoint
};

// Adds an error for each such linear that no name or both kinds of names ask for, that cannot be
// taken, and for each name that means none.
[[nodiscard]] OuterLinears sort_outer_linears(const OverlayRequest& request, ErrorList& errors);

// Whether `name` stands in `module` as whole parts: "lm_head" and "model.lm_head" in
// "model.lm_head", not "head".
[[nodiscard]] bool names_module(std::string_view name, std::string_view module);

}  // namespace thaw
