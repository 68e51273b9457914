// What folded activation scales change of the output's tensors. Private to lib/plan.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "plan/plan.h"

namespace thaw {

// What each fold changes: a weight is divided on its way, and the scales are left out.
class Folded {
 public:
  Folded(const PlanRequest& request, Plan& plan) {
    for (const Fold& fold : request.folds) {
      plan.divisors.push_back({.scales = fold.scales,
                               .columns = fold.scales->shape[0],
                               .weight_begin = fold.weight != nullptr ? fold.weight->begin : 0});
      const auto divisor = static_cast<std::uint32_t>(plan.divisors.size());
      scales_.insert(fold.scales);
      if (fold.linear != nullptr) linears_.emplace(fold.linear, divisor);
      if (fold.weight != nullptr) weights_.emplace(fold.weight, divisor);
    }
  }
  [[nodiscard]] bool drops(const Tensor& input) const { return scales_.count(&input) != 0; }
  void divide(const QuantizedLinear& linear, Segment& tile) const {
    const auto found = linears_.find(&linear);
    if (found != linears_.end()) tile.divisor = found->second;
  }
  // What was a copy becomes a cast: its values change.
  void divide(const Tensor& weight, Segment& segment) const {
    const auto found = weights_.find(&weight);
    if (found == weights_.end()) return;
    segment.kind = SegmentKind::cast;
    segment.divisor = found->second;
  }

 private:
  std::set<const Tensor*> scales_;
  std::map<const QuantizedLinear*, std::uint32_t> linears_;
  std::map<const Tensor*, std::uint32_t> weights_;
};

}  // namespace thaw
