// What a plan depends on, as one number: equal fingerprints mean equal output bytes.
#pragma once

#include <string>

#include "plan/plan.h"

namespace thaw {

// Holds the options that change bytes, the inputs' sizes, modification times and header hashes,
// and the version of the planning code; never threads, memory or how a path was spelled.
[[nodiscard]] std::string plan_fingerprint(const PlanRequest& request);

}  // namespace thaw
