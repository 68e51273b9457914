// Scales of a quantized KV cache and of quantized attention: no part of any weight. Internal to
// lib/quant. Format: specs/closed_world.md clause 4.
#pragma once

#include "checkpoint/checkpoint.h"

namespace thaw {

// True for scales and zero points of queries, keys, values and probabilities directly below an
// attention module, and for those that ModelOpt and old readers hang below k_proj and v_proj.
[[nodiscard]] bool is_attention_scale(const Tensor& tensor);

}  // namespace thaw
