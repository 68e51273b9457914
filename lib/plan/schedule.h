// The plan's segments, grouped for a given memory plan into pieces that fill one buffer each, and
// pieces into units that share the input they are made from.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/memory.h"
#include "plan/plan.h"

namespace thaw {

struct Unit {
  std::uint32_t file = 0;  // index into PlannedFiles::files
  std::uint32_t first_segment = 0;
  std::uint32_t segments = 1;
  bool slab = false;              // its columns are gathered into the slab buffer
  std::uint64_t begin = 0;        // one segment: the part of it, in bytes of output
  std::uint64_t size = 0;         // bytes of output
  std::uint64_t piece_bytes = 0;  // of every piece but the last
};

[[nodiscard]] inline std::uint64_t piece_count(const Unit& unit) {
  return (unit.size + unit.piece_bytes - 1) / unit.piece_bytes;
}

// What fills one buffer: a run of bytes of one output file.
struct Piece {
  std::uint32_t file = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t tensors_ended = 0;  // tensors whose last byte lies in it
  std::vector<Segment> segments;    // cover it, in order
};

// In the order of the files and of the bytes in them; every byte of `files`, which are of `plan`,
// is in one unit.
[[nodiscard]] std::vector<Unit> make_schedule(const Plan& plan, const PlannedFiles& files,
                                              const MemoryPlan& memory);

// Replaces `piece`, whose storage is reused.
void get_piece(const PlannedFiles& files, const Unit& unit, std::uint64_t index, Piece& piece);

}  // namespace thaw
