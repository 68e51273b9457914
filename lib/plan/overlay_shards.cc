// The shards of an overlay are those of its base. specs/overlay.md clause 5.
#include "plan/shards.h"

namespace thaw {

std::vector<PlannedShard> keep_shards(const Overlay& overlay,
                                      std::span<const PlannedTensor> tensors) {
  const Checkpoint& base = *overlay.base;
  std::vector<PlannedShard> shards(base.shards().size());
  for (std::size_t i = 0; i < shards.size(); ++i) {
    shards[i].name = base.is_directory() ? base.shards()[i].name : shard_name(0, 1);
    shards[i].unchanged = &base.shards()[i];
  }
  for (std::uint32_t i = 0; i < tensors.size(); ++i) {
    const Tensor* tensor = base.find(tensors[i].name);
    PlannedShard& shard = shards[tensor->shard];
    shard.tensors.push_back(i);
    const auto index = static_cast<std::size_t>(tensor - base.tensors().data());
    if (overlay.sources[index].replaced()) shard.unchanged = nullptr;
  }
  return shards;
}

}  // namespace thaw
