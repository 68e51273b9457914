// Scales of all experts in one tensor, beside weights that stand one by one: how transformers saves
// float8 experts ("experts.gate_up_proj_scale_inv" and "experts.3.gate_proj.weight"). Internal to
// lib/quant. Format: specs/scaled_elements.md clause 2.8.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "checkpoint/checkpoint.h"
#include "quant/layouts.h"

namespace thaw {

// Those of one expert's weight, as a tensor of its own. Stays where it is: `tensor` points into it.
struct SlicedScales {
  std::array<std::uint64_t, 2> extents{};
  Tensor tensor;
};

// The tensor that has the scales of a module "...experts.3.w1" among others; null: there is none.
[[nodiscard]] const Tensor* find_fused_scales(const Checkpoint& checkpoint,
                                              std::string_view module);

// The module's scales in it; or says why they are not there.
[[nodiscard]] Problem slice_scales(const Tensor& whole, std::string_view module,
                                   std::shared_ptr<const SlicedScales>& slice);

}  // namespace thaw
