// Which tensor of one side is which of the other. specs/verify.md clause 6. Private to lib/compare.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "compare/compare_side.h"

namespace thaw {

struct TensorPair {
  const PlannedTensor* a = nullptr;
  const PlannedTensor* b = nullptr;
};

struct MatchedTensors {
  std::vector<TensorPair> pairs;                // of equal shape, in the order of A
  std::vector<TensorPair> of_different_shapes;  // likewise
  std::vector<std::string> only_a;
  std::vector<std::string> only_b;
};

[[nodiscard]] MatchedTensors match_tensors(const CompareSide& a, const CompareSide& b);

// The tensor of `side` that `name` means, in this spelling or another of the specs'; null: none.
[[nodiscard]] const PlannedTensor* find_spelled(const CompareSide& side,
                                                const ModelSpec* other_spec, std::string_view name);

}  // namespace thaw
