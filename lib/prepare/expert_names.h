// Whether the experts of a quantized checkpoint need a spec, and what to say where there is none.
// specs/models.md clause 6. Private to lib/prepare.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/spec.h"
#include "quant/linears.h"

namespace thaw {

// Linears of single experts, or parameters of all of them, are quantized.
[[nodiscard]] bool has_quantized_experts(const QuantizedLinears& linears);

// Nothing where the spec (null: none serves the model) says how the architecture holds its experts,
// all of those that are quantized.
[[nodiscard]] std::optional<std::string> warn_of_expert_names(const QuantizedLinears& linears,
                                                              const ModelSpec* spec,
                                                              std::string_view model_type);

}  // namespace thaw
