#include "plan/part.h"

#include <algorithm>
#include <utility>

namespace thaw {

std::vector<unsigned> split_files(const Plan& plan, unsigned parts) {
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

PlanPart::PlanPart(Plan& plan, Part part)
    : plan_(plan), bytes_(plan.bytes), tensors_(plan.tensors) {
  const std::vector<unsigned> part_of = split_files(plan, part.count);
  files_ = std::exchange(plan.files, {});
  plan.bytes = 0;
  plan.tensors = 0;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    if (part_of[i] != part.index) continue;
    plan.bytes += files_[i].size;
    plan.tensors += files_[i].tensors;
    mine_.push_back(i);
    plan.files.push_back(std::move(files_[i]));
  }
}

PlanPart::~PlanPart() {
  for (std::size_t i = 0; i < mine_.size(); ++i) files_[mine_[i]] = std::move(plan_.files[i]);
  plan_.files = std::move(files_);
  plan_.bytes = bytes_;
  plan_.tensors = tensors_;
}

}  // namespace thaw
