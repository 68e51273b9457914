// Weights in a rotated basis: which rotations a float model needs at run time, so that it would be
// wrong without them, and which are fused into the weights and leave only their matrices behind.
// Internal to lib/quant. Format: specs/closed_world.md clause 5.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "json/node.h"

namespace thaw {

inline constexpr std::string_view kRotatedBasis = "weights in a rotated basis are not supported";
inline constexpr std::string_view kRotatedHint =
    "a float model would not rotate what goes into these weights: it needs the quantizer's own "
    "float export, or the model before it was quantized";

enum class Rotation : std::uint8_t {
  none,    // the tensor has nothing to do with one
  fused,   // what is left of one that is part of the weights
  online,  // one that the model applies when it runs: a float model does not
};

// What a tensor of that name belongs to. `fused_transforms`: see RotationClaims.
[[nodiscard]] Rotation rotation_of(std::string_view name, bool fused_transforms);

struct RotationClaims {
  std::string online_key;         // the first key that says so, at any depth; empty: none
  bool fused_transforms = false;  // a transform_config all of whose transforms are fused
};
// What a quantization config says.
[[nodiscard]] RotationClaims read_rotations(const json::Node& config);

}  // namespace thaw
