// Which tensor goes to which shard, where in it, and the shard's header. specs/output.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "plan/plan.h"

namespace thaw {

struct PlannedShard {
  std::string name;
  std::vector<std::uint32_t> tensors;  // indices into Plan::tensors
  // Not null: nothing in it is replaced, and it is a copy of this shard of the overlay's base.
  const Shard* unchanged = nullptr;
};

// Each shard's tensors in natural order: it takes tensors as long as it stays within `most` bytes;
// a tensor larger than that has a shard of its own.
[[nodiscard]] std::vector<PlannedShard> assign_shards(std::span<const PlannedTensor> tensors,
                                                      std::uint64_t most);

// The shards of an overlay's base. `tensors` are the base's, in any order. A bare file becomes
// model.safetensors.
[[nodiscard]] std::vector<PlannedShard> keep_shards(const Overlay& overlay,
                                                    std::span<const PlannedTensor> tensors);

// "model.safetensors", or "model-00002-of-00007.safetensors" (counted from 0 here).
[[nodiscard]] std::string shard_name(std::size_t index, std::size_t count);

// The order of the tensors' bytes inside a shard: those whose size is a multiple of 4096 first, so
// that large writes are aligned, then by element size descending, so that all are aligned to
// their element; natural order among equals.
void order_within_shard(std::span<const PlannedTensor> tensors, std::vector<std::uint32_t>& shard);

// The 8 bytes of length and the JSON, padded with spaces to a multiple of 4096; the tensors'
// data follow in the order of `shard`.
[[nodiscard]] Result<std::string> shard_header(
    std::span<const PlannedTensor> tensors, std::span<const std::uint32_t> shard,
    std::span<const std::pair<std::string, std::string>> metadata, const std::string& name);

}  // namespace thaw
