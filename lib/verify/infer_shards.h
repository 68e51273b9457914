// The --max-shard-size that an output was cut by. Private to lib/verify.
#pragma once

#include <cstdint>
#include <optional>

#include "checkpoint/checkpoint.h"

namespace thaw {

// The smallest size by which specs/output.md clause 3 cuts the tensors of `out` into the shards
// that they stand in; nothing when no size does.
[[nodiscard]] std::optional<std::uint64_t> shard_size_of(const Checkpoint& out);

}  // namespace thaw
