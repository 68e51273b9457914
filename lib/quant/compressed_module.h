// One module of compressed-tensors: its tensors, and what they must be. Internal to lib/quant.
// Format: specs/compressed_tensors.md clauses 1 to 5.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "checkpoint/checkpoint.h"
#include "quant/layouts.h"

namespace thaw {

// What a packed tensor is the weight of: <module>.weight_packed, or of fused experts, whose weights
// are parameters, <module>.experts.<parameter>_packed. Views into the name.
struct PackedWeight {
  std::string_view module;  // of a parameter its own name: "mlp.experts.gate_up_proj"
  std::string_view stem;    // what all its tensors begin with: "mlp.up_proj.weight"
  bool is_parameter = false;
};
// Nothing: it is no packed weight.
[[nodiscard]] std::optional<PackedWeight> packed_weight(const Tensor& tensor);

// Null where absent. Borrows from the Checkpoint.
struct CompressedModule {
  std::string_view name;
  bool is_parameter = false;
  const Tensor* packed = nullptr;
  const Tensor* scale = nullptr;
  const Tensor* zero_point = nullptr;
  const Tensor* shape = nullptr;
  const Tensor* g_idx = nullptr;
  const Tensor* weight = nullptr;
  const Tensor* qweight = nullptr;
  const Tensor* bias = nullptr;
};
[[nodiscard]] CompressedModule find_compressed_module(const Checkpoint& checkpoint,
                                                      const PackedWeight& weight);

// "weight_packed I32 [64, 16], weight_scale BF16 [64, 4]": all that are there.
[[nodiscard]] std::string module_text(const CompressedModule& module);

// Checks all of it and fills `linear`; `assumed` when nothing says how wide the codes are.
[[nodiscard]] Problem describe_compressed(const Checkpoint& checkpoint,
                                          const CompressedModule& module, const QuantConfig& config,
                                          QuantizedLinear& linear, bool& assumed);

// Whether such a group could be that of the linear.
[[nodiscard]] bool fits(const CompressedGroup& group, const QuantizedLinear& linear);

}  // namespace thaw
