// How the tensors of quantized modules are called, whoever wrote them. Internal to lib/quant.
// Format: specs/closed_world.md clause 3.
#pragma once

#include <string_view>

namespace thaw {

struct NameEnding {
  std::string_view ending;
  std::string_view meaning;  // for people: "packed codes"
  // Whether a float of one dimension or none may be called so without belonging to a quantization:
  // models have parameters called logit_scale, but none called input_zero_point.
  bool plain_vector = true;
};

// The ending of a tensor's name that speaks of quantization; null: none does.
[[nodiscard]] const NameEnding* find_name_ending(std::string_view name);

}  // namespace thaw
