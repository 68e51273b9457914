// Where the config and the tensors say different things; the tensors are believed
// (specs/awq.md clause 8.4, specs/gptq.md clauses 2.4 and 5.4). contradictions() is in linears.h.
// Internal to lib/quant.
#pragma once

#include "quant/linears.h"

namespace thaw {

// Adds a warning for each kind of contradiction, whatever the number of its modules, but for what
// CompressedReader warns of.
void warn_of_contradictions(QuantizedLinears& result);

}  // namespace thaw
