// Adds tensors and what makes them to a plan. Private to lib/plan.
#pragma once

#include "plan/plan.h"

namespace thaw {

// All rows of a linear's weight.
[[nodiscard]] Segment tile_of(const QuantizedLinear& linear, Dtype dtype, Plan& plan);
// A whole tensor of a checkpoint, which stands at `input` of Plan::inputs, in the type `to`.
[[nodiscard]] Segment carried(const Tensor& tensor, std::uint32_t input, Dtype to);

// All rows of a weave, whose outer is still to be counted.
[[nodiscard]] Segment weave_of(Weave weave, Plan& plan);

// Appends a tensor that one segment makes.
void add_tensor(Plan& plan, const PlannedTensor& tensor, Segment segment);

// Puts the tensors into natural name order and tells their segments which is theirs.
void sort_tensors(Plan& plan);

}  // namespace thaw
