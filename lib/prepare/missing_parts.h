// Parts that a model seems to lack, or to hold twice, by the names and shapes of its tensors and by
// its config. Pure. specs/checkpoint.md clause 6.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "json/node.h"

namespace thaw {

// A tensor of the float model: of a packed module, the weight that it becomes.
struct ModelTensor {
  std::string name;  // raw
  std::vector<std::uint64_t> shape;
  bool packed = false;
};

// One sentence a kind, with a count and the first names, safe for a terminal; empty for a model
// that is whole. `config` is config.json, or null. Layers of different kinds (attention and Mamba,
// dense and experts, shared keys and values) are no fault.
[[nodiscard]] std::vector<std::string> find_missing_parts(std::span<const ModelTensor> tensors,
                                                          const json::Node& config);

}  // namespace thaw
