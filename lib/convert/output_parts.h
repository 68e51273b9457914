// What the bytes of a planned output are called: tensors and headers of shards, by their places.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "plan/plan.h"

namespace thaw {

struct OutputPart {
  std::uint64_t begin = 0;  // bytes into the file
  std::uint64_t end = 0;
  std::string name;  // of a tensor, raw; empty: a header, or a whole file that is no shard
};

// For each file of the plan its parts, which cover it, in order; the header of a shard is the
// first. Read from the headers that the plan writes or copies. Errors: ErrorCode::io, or input
// where a shard that is copied has changed since it was opened.
[[nodiscard]] Result<std::vector<std::vector<OutputPart>>> output_parts(const Plan& plan);

}  // namespace thaw
