#include "plan/part.h"

#include <algorithm>

namespace thaw {

std::vector<unsigned> split_files(const PlannedFiles& plan, unsigned parts) {
  std::vector<unsigned> part_of(plan.files.size(), 1);
  std::vector<std::uint64_t> load(parts);
  std::vector<std::size_t> shards;
  for (std::size_t i = 0; i < plan.files.size(); ++i) {
    if (plan.files[i].tensors != 0) {
      shards.push_back(i);
    } else {
      load[0] += plan.files[i].size;
    }
  }
  // The largest first, each to the part that has least: no part is ahead by more than a shard.
  std::stable_sort(shards.begin(), shards.end(), [&](std::size_t a, std::size_t b) {
    return plan.files[a].size > plan.files[b].size;
  });
  for (const std::size_t shard : shards) {
    const auto least = std::min_element(load.begin(), load.end());
    *least += plan.files[shard].size;
    part_of[shard] = static_cast<unsigned>(least - load.begin()) + 1;
  }
  return part_of;
}

PlannedFiles files_of_part(const PlannedFiles& plan, Part part) {
  const std::vector<unsigned> part_of = split_files(plan, part.count);
  PlannedFiles own;
  own.literals = plan.literals;
  own.inputs = plan.inputs;
  own.fingerprint = plan.fingerprint;
  for (std::size_t i = 0; i < plan.files.size(); ++i) {
    if (part_of[i] != part.index) continue;
    own.files.push_back(plan.files[i]);
    own.bytes += plan.files[i].size;
    own.tensor_count += plan.files[i].tensors;
  }
  return own;
}

}  // namespace thaw
