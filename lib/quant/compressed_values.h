// The two small tensors of compressed-tensors whose content decides what a module is.
// Internal to lib/quant. Format: specs/compressed_tensors.md clauses 2.2 and 5.
#pragma once

#include <cstdint>
#include <span>

#include "checkpoint/checkpoint.h"
#include "quant/layouts.h"

namespace thaw {

// The input features that weight_shape says; its other extents must be `rows`.
[[nodiscard]] Problem read_weight_shape(const Checkpoint& checkpoint, const Tensor& shape,
                                        std::span<const std::uint64_t> rows,
                                        std::uint64_t& in_features);

// Whether weight_g_idx says anything: it does not where it was never initialised, or where column
// k is in group k / group_size.
[[nodiscard]] Problem read_group_index(const Checkpoint& checkpoint, const Tensor& index,
                                       std::uint64_t in_features, std::uint64_t group_size,
                                       bool& in_order);

}  // namespace thaw
