// Integer buffers that models of transformers keep in their checkpoints: data, not codes.
// Internal to lib/quant. Format: specs/closed_world.md clause 2.3, and how the list was made.
#pragma once

#include "checkpoint/checkpoint.h"

namespace thaw {

// Told by the last part of the name.
[[nodiscard]] bool is_known_buffer(const Tensor& tensor);

}  // namespace thaw
