// Where the rows of linears lie in a planned file, one tile after another, woven ones included.
#pragma once

#include <cstdint>

#include "plan/plan.h"

namespace thaw {

// Element (row, column) of a tile lies at begin + row * row_stride + column * column_stride bytes
// of its file; rows count from the tile's first.
struct TilePlace {
  std::uint64_t begin = 0;
  std::uint64_t row_stride = 0;
  std::uint64_t column_stride = 0;
};

// Calls function(const Segment& tile, const TilePlace&) for each tile that a whole segment of a
// file is or is woven from.
template <typename Function>
void each_tile(const Plan& plan, const Segment& segment, const Function& function) {
  const std::uint64_t element = dtype_bits(segment.to) / 8;
  if (segment.kind == SegmentKind::tile) {
    function(segment, TilePlace{segment.offset, segment.row_bytes, element});
  }
  if (segment.kind != SegmentKind::woven) return;
  const Weave& weave = plan.weaves[segment.source];
  const std::uint64_t step = weave.interleaved ? weave.parts.size() : 1;
  const std::uint64_t along = weave.transposed ? element : segment.row_bytes;
  const std::uint64_t across = weave.transposed ? segment.row_bytes : element;
  for (std::size_t i = 0; i < weave.parts.size(); ++i) {
    if (weave.parts[i].kind != SegmentKind::tile) continue;
    function(weave.parts[i],
             TilePlace{segment.offset + weave.place(i, 0) * along, step * along, across});
  }
}

}  // namespace thaw
