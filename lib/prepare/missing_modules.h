// Modules that a layer or an expert lacks and others of its kind have. Internal to the check of
// missing parts; pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "prepare/layer_survey.h"

namespace thaw {

// What a config says of layers that may lack modules.
struct LayerRules {
  bool shares_keys_and_values = false;  // some layers use others' keys and values
  bool keys_are_values = false;         // some have no v_proj
  bool irregular = false;               // each layer has a config of its own
};

// Full names of the modules that layers [0, count) of the stack lack. A layer is compared part by
// part ("self_attn", "mlp") with those that have all that it has and more: a part of another kind
// has modules of its own. `main`: it is the text model's; of others only what no model leaves out
// is looked for, such as an up_proj beside a gate_proj.
[[nodiscard]] std::vector<std::string> modules_layers_lack(const std::string& path,
                                                           const LayerStack& stack,
                                                           std::uint64_t count, bool main,
                                                           const LayerRules& rules);

// Full names of modules that single experts of a layer lack, or of experts that are not there at
// all between others.
[[nodiscard]] std::vector<std::string> modules_experts_lack(const std::string& path,
                                                            const ExpertModules& modules);

}  // namespace thaw
