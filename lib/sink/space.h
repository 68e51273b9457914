// How much room an output needs on its disk: the one place that says, for the plan that is shown
// and for the refusal (specs/output.md clause 7.5).
#pragma once

#include <cstdint>
#include <functional>

#include "plan/plan.h"

namespace thaw {

// Of the files of `plan` but those that `there` is true of: each may begin a block of its own.
[[nodiscard]] std::uint64_t directory_need(const PlannedFiles& plan, std::uint64_t block,
                                           const std::function<bool(std::size_t)>& there);
// Of one file of `size` bytes.
[[nodiscard]] inline std::uint64_t file_need(std::uint64_t size, std::uint64_t block) {
  return size + block;
}

}  // namespace thaw
