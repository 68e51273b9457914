// Where a tensor stands in a stack of layers, by its name.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace thaw {

// "model.layers", 3 and "mlp.up_proj.weight" of "model.layers.3.mlp.up_proj.weight": the first part
// between dots that is a number. Without one, `rest` is the whole name. Views into the name.
struct LayerName {
  std::string_view stack;
  std::optional<std::uint64_t> layer;
  std::string_view rest;
};

[[nodiscard]] LayerName split_layer(std::string_view name);

}  // namespace thaw
