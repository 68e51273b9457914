// The bytes of one segment. Pure: needs the mapped input and nothing else, and no other segment.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"
#include "plan/plan.h"

namespace thaw {

// The linear that a tile belongs to: the whole one, or a slab that holds the tile's rows.
struct TileSource {
  kernels::PackedLinear view;
  std::uint64_t first_row = 0;   // of the linear, that is row 0 of the view
  std::byte* scratch = nullptr;  // scratch_bytes(linear), 64-byte aligned; only where it is divided
};

// Writes segment.size bytes to `out`, which is 64-byte aligned for a tile. `source` is used for
// tiles only. Returns how many finite values became infinite. Thread-safe.
[[nodiscard]] std::uint64_t make_segment(const Plan& plan, const kernels::Table& table,
                                         const Segment& segment, const TileSource& source,
                                         kernels::Stores stores, std::byte* out);

}  // namespace thaw
