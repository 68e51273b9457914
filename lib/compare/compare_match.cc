#include "compare/compare_match.h"

#include <algorithm>
#include <set>

#include "model/blocks.h"

namespace thaw {

const PlannedTensor* find_spelled(const CompareSide& side, const ModelSpec* other_spec,
                                  std::string_view name) {
  if (const PlannedTensor* found = side.plan.find(name)) return found;
  for (const ModelSpec* spec : {other_spec, side.spec}) {
    if (spec == nullptr) continue;
    for (const std::string& spelling : spellings(*spec, name)) {
      if (const PlannedTensor* found = side.plan.find(spelling)) return found;
    }
  }
  return nullptr;
}

MatchedTensors match_tensors(const CompareSide& a, const CompareSide& b) {
  MatchedTensors matched;
  std::set<const PlannedTensor*> taken;
  std::vector<const PlannedTensor*> unmatched;
  std::vector<TensorPair> all;
  // Equal names first, so that another spelling never takes a tensor from its namesake.
  for (const PlannedTensor& tensor : a.plan.tensors) {
    const PlannedTensor* other = b.plan.find(tensor.name);
    all.push_back({&tensor, other});
    if (other != nullptr) taken.insert(other);
  }
  for (TensorPair& pair : all) {
    if (pair.b == nullptr) {
      const PlannedTensor* other = find_spelled(b, a.spec, pair.a->name);
      if (other != nullptr && taken.insert(other).second) pair.b = other;
    }
    if (pair.b == nullptr) {
      matched.only_a.emplace_back(pair.a->name);
    } else if (std::ranges::equal(pair.a->shape, pair.b->shape)) {
      matched.pairs.push_back(pair);
    } else {
      matched.of_different_shapes.push_back(pair);
    }
  }
  for (const PlannedTensor& tensor : b.plan.tensors) {
    if (taken.count(&tensor) == 0) matched.only_b.emplace_back(tensor.name);
  }
  return matched;
}

}  // namespace thaw
