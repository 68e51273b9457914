// The names of a model's tensors without the numbers of layers and experts.
#pragma once

#include <string>
#include <string_view>

namespace thaw {

// "model.layers.*.mlp.up_proj": every part between dots that is a number is written as *.
// Not made safe for a terminal.
[[nodiscard]] std::string name_pattern(std::string_view name);

}  // namespace thaw
