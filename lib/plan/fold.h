// Activation scales that are folded into a linear: specs/models.md clause 4.
#pragma once

#include <string_view>

#include "checkpoint/checkpoint.h"
#include "quant/linears.h"

namespace thaw {

// Column k of the weight is divided by element k of `scales`, and `scales` is left out. One of
// `linear` and `weight` is not null. Points into the checkpoint and the linears.
struct Fold {
  const Tensor* scales = nullptr;  // one dimension, a float for each input feature, none of them 0
  const QuantizedLinear* linear = nullptr;
  const Tensor* weight = nullptr;  // of a linear that is not quantized
  // Of the linear: "model.layers.0.mlp.c_proj".
  [[nodiscard]] std::string_view module() const {
    if (linear != nullptr) return linear->module;
    return weight->name.substr(0, weight->name.rfind('.'));
  }
};

}  // namespace thaw
