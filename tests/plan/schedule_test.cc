#include "plan/schedule.h"

#include <doctest/doctest.h>

#include <string>

#include "plan/input_ranges.h"
#include "support/planned_model.h"

namespace thaw {
namespace {

using testing::PlannedModel;
using testing::toy_tensors;

constexpr std::uint64_t kMiB = 1 << 20;

// Everything that a schedule promises, whatever the memory plan.
void check_schedule(const Plan& plan, const MemoryPlan& memory) {
  std::uint64_t tensors_ended = 0;
  std::uint32_t file = 0;
  std::uint64_t at = 0;
  Piece piece;
  for (const Unit& unit : make_schedule(plan, plan, memory)) {
    for (std::uint64_t i = 0; i < piece_count(unit); ++i) {
      get_piece(plan, unit, i, piece);
      while (file < plan.files.size() && at == plan.files[file].size) {
        ++file;
        at = 0;
      }
      CHECK(piece.file == file);
      CHECK(piece.offset == at);
      CHECK(piece.size > 0);
      CHECK(piece.size <= memory.tile_bytes);
      std::uint64_t segment_at = piece.offset;
      for (const Segment& segment : piece.segments) {
        CHECK(segment.offset == segment_at);
        segment_at += segment.size;
        if (segment.kind == SegmentKind::tile) {
          CHECK((segment.offset - piece.offset) % 64 == 0);
          const QuantizedLinear& linear = *plan.linears[segment.source];
          CHECK(segment.begin % linear.layout->row_block == 0);
        }
      }
      CHECK(segment_at == piece.offset + piece.size);
      at += piece.size;
      tensors_ended += piece.tensors_ended;
    }
  }
  while (file + 1 < plan.files.size() && at == plan.files[file].size) {
    ++file;
    at = 0;
  }
  CHECK(file + 1 == plan.files.size());
  CHECK(at == plan.files[file].size);
  // Tensors without bytes end in no piece.
  CHECK(tensors_ended + 1 == plan.tensors.size());
}

TEST_CASE("pieces cover every file in order, whatever the sizes of tiles and input") {
  const PlannedModel model(toy_tensors(), {.max_shard_size = 500'000});
  MemoryPlan memory;
  for (const std::uint64_t tile :
       {16 * kMiB, 2 * kMiB, std::uint64_t{100'000}, std::uint64_t{12'288}}) {
    for (const std::uint64_t input : {64 * kMiB, std::uint64_t{90'000}, std::uint64_t{20'000}}) {
      for (const std::uint64_t slab : {64 * kMiB, std::uint64_t{70'000}, std::uint64_t{60'000}}) {
        CAPTURE(tile);
        CAPTURE(input);
        CAPTURE(slab);
        memory.tile_bytes = tile;
        memory.input_bytes = input;
        memory.slab_bytes = slab;
        check_schedule(model.plan, memory);
      }
    }
  }
}

TEST_CASE("a linear whose packed bytes exceed the input budget is read in slabs, others whole") {
  const PlannedModel model(toy_tensors());
  MemoryPlan memory;
  memory.tile_bytes = 65'536;
  memory.input_bytes = 90'000;
  memory.slab_bytes = 64'000;
  std::uint64_t slabs = 0;
  for (const Unit& unit : make_schedule(model.plan, model.plan, memory)) {
    if (!unit.slab) continue;
    ++slabs;
    const Segment& whole = model.plan.files[unit.file].segments[unit.first_segment];
    CHECK(whole.kind == SegmentKind::tile);
    CHECK(unit.size < whole.size);
  }
  CHECK(slabs >= 4);
  memory.input_bytes = 1'000'000;
  for (const Unit& unit : make_schedule(model.plan, model.plan, memory)) CHECK_FALSE(unit.slab);
}

TEST_CASE("the aligned part of a file is not spoiled by the odd tail") {
  const PlannedModel model(toy_tensors());
  const MemoryPlan memory = model.memory(256'000'000, 2);
  Piece piece;
  bool odd = false;
  for (const Unit& unit : make_schedule(model.plan, model.plan, memory)) {
    if (model.plan.files[unit.file].tensors == 0) continue;
    get_piece(model.plan, unit, 0, piece);
    odd = odd || piece.size % 4096 != 0;
    if (!odd) CHECK(piece.offset % 4096 == 0);
  }
  CHECK(odd);
}

TEST_CASE("a cut segment makes the same bytes from the matching part of its source") {
  Segment cast;
  cast.kind = SegmentKind::cast;
  cast.from = Dtype::bf16;
  cast.to = Dtype::f32;
  cast.offset = 1000;
  cast.size = 400;
  cast.begin = 64;
  const Segment part = cut(cast, 40, 80);
  CHECK(part.offset == 1040);
  CHECK(part.begin == 64 + 20);
  CHECK(part.input_size() == 40);
  Segment tile;
  tile.kind = SegmentKind::tile;
  tile.row_bytes = 100;
  tile.size = 1000;
  CHECK(cut(tile, 300, 200).begin == 3);
  tile.row_block = 4;
  CHECK(tile.grain() == 400);
  CHECK(cut(tile, 800, 200).begin == 8);
}

}  // namespace
}  // namespace thaw
