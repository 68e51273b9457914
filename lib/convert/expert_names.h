// Experts whose names are the quantizer's: specs/closed_world.md clause 6.5.
#pragma once

#include "checkpoint/checkpoint.h"
#include "quant/linears.h"

namespace thaw {

// Adds a warning where experts are written in a form that transformers does not save the
// architecture in: one by one, or a parameter of all experts as a module with a weight.
void warn_of_expert_names(const Checkpoint& checkpoint, QuantizedLinears& linears);

}  // namespace thaw
