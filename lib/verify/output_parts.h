// What the bytes of a planned output are called: tensors and headers of shards, by their places.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "plan/plan.h"

namespace thaw {

struct OutputPart {
  std::uint64_t begin = 0;  // bytes into the file
  std::uint64_t end = 0;
  std::string_view name;  // of a tensor, raw; empty: a header, or a whole file that is no shard
};

// For each file of the plan its parts, which cover it, in order; the header of a shard is the
// first. Tensors without bytes have none. Borrows from the plan.
[[nodiscard]] std::vector<std::vector<OutputPart>> output_parts(const Plan& plan);

}  // namespace thaw
