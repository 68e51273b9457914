#include "plan/segment.h"

#include <cassert>

namespace thaw {

Segment cut(const Segment& whole, std::uint64_t from, std::uint64_t size) {
  assert(from <= whole.size && size <= whole.size - from);
  assert(from % whole.grain() == 0);
  assert(size % whole.grain() == 0 || size == whole.size - from);
  Segment part = whole;
  part.offset += from;
  part.size = size;
  switch (whole.kind) {
    case SegmentKind::literal:
    case SegmentKind::copy:
      part.begin += from;
      break;
    case SegmentKind::cast:
      part.begin += from / (dtype_bits(whole.to) / 8) * (dtype_bits(whole.from) / 8);
      break;
    case SegmentKind::tile:
    case SegmentKind::woven:
      part.begin += from / whole.row_bytes;
      break;
  }
  return part;
}

}  // namespace thaw
