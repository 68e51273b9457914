// The tensors that quantization keeps for one module, found by name in whatever shard.
// Internal to lib/quant.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "checkpoint/checkpoint.h"

namespace thaw {

// "model.layers.0.up_proj" and "qweight". A name without a dot belongs to the module that is the
// whole file, whose name is empty; nothing for a name whose only dot comes first.
struct TensorName {
  std::string_view module;
  std::string_view suffix;
};
[[nodiscard]] std::optional<TensorName> split_tensor_name(std::string_view name);

// Null where absent. Borrows from the Checkpoint.
struct ModuleTensors {
  const Checkpoint* checkpoint = nullptr;
  std::string_view module;
  const Tensor* qweight = nullptr;
  const Tensor* qzeros = nullptr;
  const Tensor* scaled_zeros = nullptr;
  const Tensor* scales = nullptr;
  const Tensor* g_idx = nullptr;
  const Tensor* weight = nullptr;
  const Tensor* bias = nullptr;
};
[[nodiscard]] ModuleTensors find_module_tensors(const Checkpoint& checkpoint,
                                                std::string_view module);

// <module>.<suffix>, <suffix> of the module without a name, or null.
[[nodiscard]] const Tensor* find_in_module(const Checkpoint& checkpoint, std::string_view module,
                                           std::string_view suffix);

// "I32 [128, 8]".
[[nodiscard]] std::string tensor_text(const Tensor& tensor);
// "qweight I32 [128, 8], scales F16 [1, 64]": all that are there.
[[nodiscard]] std::string module_text(const ModuleTensors& tensors);

}  // namespace thaw
