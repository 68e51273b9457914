// From the faults of single tensors to sentences about the whole. specs/verify.md clause 9. Private
// to lib/compare.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "compare/compare.h"
#include "model/spec.h"

namespace thaw {

// What carries the factors that AWQ multiplies the columns of a linear by.
struct AbsorbedBy {
  std::string norm;  // the tensor's name, in the spelling of `weight`; empty: not known
  double offset = 0;
};

// `weight`: the name of a linear's weight. Nothing without a spec, or where no rule names it.
[[nodiscard]] AbsorbedBy absorber_of(const ModelSpec* spec, std::string_view weight);

// Marks norms that differ although what reads them does not.
void find_left_norms(const ModelSpec* spec, std::vector<TensorComparison>& tensors);

// Fills fault_text, the verdicts and the conclusion.
void add_verdicts(CompareReport& report);

}  // namespace thaw
