// The segments that make the experts of another form. Private to lib/plan.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "plan/expert_tensors.h"
#include "plan/folded.h"
#include "plan/plan.h"

namespace thaw {

class ExpertSegments {
 public:
  // Both must outlive it.
  ExpertSegments(const Folded& folded, Plan& plan) : folded_(folded), plan_(plan) {}

  // Adds a tensor of that name (which lives as long as the plan) to the plan. Linears and floats
  // get `dtype`; with `only_halves` floats of 32 bits stay.
  void add(std::string_view name, std::span<const std::uint64_t> shape, const ExpertTensor& tensor,
           Dtype dtype, bool only_halves);

  // Whether a tensor that was added is made from it: nobody adds it again.
  [[nodiscard]] bool has(const QuantizedLinear& linear) const { return linears_.count(&linear); }
  [[nodiscard]] bool has(const Tensor& tensor) const { return tensors_.count(&tensor) != 0; }

 private:
  void append(const ExpertMatrix& matrix, Dtype dtype, bool only_halves);
  Segment rows_of(const ExpertPart& part, std::uint64_t columns, Dtype dtype, bool only_halves);
  Segment all_of(const ExpertSource& source, Dtype dtype, bool only_halves);

  const Folded& folded_;
  Plan& plan_;
  std::map<std::pair<const QuantizedLinear*, Dtype>, Segment> tiles_;
  std::set<const QuantizedLinear*> linears_;
  std::set<const Tensor*> tensors_;
};

}  // namespace thaw
