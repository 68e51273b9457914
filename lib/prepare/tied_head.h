// A head of its own in a model whose config ties the head to the embeddings: specs/output.md
// clause 5.3.
#pragma once

#include "checkpoint/checkpoint.h"
#include "quant/linears.h"

namespace thaw {

// Adds a warning for each quantized head that readers of the output will ignore.
void warn_of_tied_head(const Checkpoint& checkpoint, QuantizedLinears& linears);

}  // namespace thaw
