// The tensors that quantization keeps for one module, found by name in whatever shard.
// Internal to lib/quant.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace thaw {

// "model.layers.0.up_proj" and "qweight". A name without a dot belongs to the module that is the
// whole file, whose name is empty; nothing for a name whose only dot comes first.
struct TensorName {
  std::string_view module;
  std::string_view suffix;
};
[[nodiscard]] std::optional<TensorName> split_tensor_name(std::string_view name);

// How the tensors of a quantized module are named: after the one that holds its codes.
// scaled_weight: `weight` of I8 beside a weight_scale. small_floats: `weight` of a float of 8 bits,
// or of bytes that hold two of 4, beside scales. blocks: a parameter's `_blocks` beside `_scales`.
// mlx: `weight` of U32 beside `scales`. bnb_int8: `weight` of I8 beside `SCB`.
// bnb_4bit: `weight` of any type beside `weight.absmax` and
// `weight.quant_state`. paired_rows: `weight` of U8 with half as many rows as its weight_scale of
// floats.
enum class Naming : std::uint8_t {
  qweight,
  weight_packed,
  scaled_weight,
  small_floats,
  blocks,
  mlx,
  bnb_int8,
  bnb_4bit,
  paired_rows
};

// What a tensor that holds codes is called after. Views into its name.
struct CodesName {
  std::string_view module;  // of a parameter its own name: "mlp.experts.gate_up_proj"
  Naming naming = Naming::qweight;
  // The weight is a parameter of all experts, called as `module`, without ".weight".
  bool is_parameter = false;
  // Such a parameter whose operands are "gate_up_proj_packed", not "gate_up_proj.weight_packed".
  bool is_bare = false;
};
// Nothing: it holds no codes.
[[nodiscard]] std::optional<CodesName> codes_name(const Checkpoint& checkpoint,
                                                  const Tensor& tensor);

// Null where absent, or where such a naming does not look for it. Borrows from the Checkpoint.
struct ModuleTensors {
  const Checkpoint* checkpoint = nullptr;
  std::string_view module;
  Naming naming = Naming::qweight;
  bool is_parameter = false;
  bool is_bare = false;
  const Tensor* qweight = nullptr;
  const Tensor* qzeros = nullptr;
  const Tensor* scaled_zeros = nullptr;
  const Tensor* scales = nullptr;
  const Tensor* biases = nullptr;
  const Tensor* scb = nullptr;
  const Tensor* weight_format = nullptr;
  const Tensor* absmax = nullptr;  // `weight.absmax`, and so the next five
  const Tensor* quant_map = nullptr;
  const Tensor* nested_absmax = nullptr;
  const Tensor* nested_quant_map = nullptr;
  const Tensor* nf4_state = nullptr;
  const Tensor* fp4_state = nullptr;
  const Tensor* g_idx = nullptr;
  const Tensor* blocks = nullptr;
  const Tensor* weight_packed = nullptr;
  const Tensor* weight_scale = nullptr;
  const Tensor* weight_zero_point = nullptr;
  const Tensor* weight_shape = nullptr;
  const Tensor* weight_g_idx = nullptr;
  const Tensor* weight_scale_inv = nullptr;
  const Tensor* short_scale = nullptr;  // `scale`, of DeepSeek V4
  const Tensor* weight_scale_2 = nullptr;
  const Tensor* weight_global_scale = nullptr;
  const Tensor* pre_quant_scale = nullptr;
  const Tensor* weight = nullptr;
  const Tensor* bias = nullptr;
  // Of all experts, where the weight has no scales of its own; no linear consumes it alone.
  const Tensor* fused_scales = nullptr;

  // The tensor that holds the codes; always there.
  [[nodiscard]] const Tensor& codes() const;
  // The scales of a module that is not named after a qweight; null where there are none.
  [[nodiscard]] const Tensor* scale() const;
  // Those that a linear consumes: all but its bias, and what must not be beside its codes.
  [[nodiscard]] std::vector<const Tensor*> packed() const;
};
[[nodiscard]] ModuleTensors find_module_tensors(const Checkpoint& checkpoint,
                                                const CodesName& name);

// The tensor of that suffix beside the codes, under the names that their module has; or null.
[[nodiscard]] const Tensor* find_beside(const Checkpoint& checkpoint, const CodesName& name,
                                        std::string_view suffix);

// <module>.<suffix>, <suffix> of the module without a name, or null.
[[nodiscard]] const Tensor* find_in_module(const Checkpoint& checkpoint, std::string_view module,
                                           std::string_view suffix);

// "I32 [128, 8]".
[[nodiscard]] std::string tensor_text(const Tensor& tensor);
// "qweight I32 [128, 8], scales F16 [1, 64]": all that are there.
[[nodiscard]] std::string module_text(const ModuleTensors& tensors);

}  // namespace thaw
