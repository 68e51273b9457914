// The groups of a compressed-tensors config against a module. Internal to lib/quant.
// Format: specs/compressed_tensors.md clause 6.
#pragma once

#include <cstdint>

#include "quant/linears.h"

namespace thaw {

// Whether `groups` groups of `group_size` (-1: all) are what `in_features` needs.
[[nodiscard]] bool is_cut(std::uint64_t in_features, std::int64_t group_size, std::uint64_t groups);

// Whether such a group's codes could be those of the linear, by their width and how they are
// stored.
[[nodiscard]] bool width_fits(const CompressedGroup& group, const QuantizedLinear& linear);

// Whether such a group could be that of the linear.
[[nodiscard]] bool fits(const CompressedGroup& group, const QuantizedLinear& linear);

// The config group that is for this linear by its name, or for all modules; null where none is, or
// where any may be. What it says goes into the linear's claims.
[[nodiscard]] const CompressedGroup* claim_group(const QuantConfig& config,
                                                 QuantizedLinear& linear);

}  // namespace thaw
