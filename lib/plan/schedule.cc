#include "plan/schedule.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "base/bytes.h"
#include "plan/input_ranges.h"

namespace thaw {

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kKernelAlignment = 64;

// The largest multiple of `grain` bytes within `most`; of page-sized multiples too, where some fit.
std::uint64_t best_multiple(std::uint64_t grain, std::uint64_t most) {
  const std::uint64_t paged = std::lcm(grain, kPage);
  if (paged <= most) return round_down(most, paged);
  return std::max(grain, round_down(most, grain));
}

class Scheduler {
 public:
  Scheduler(const Plan& plan, const PlannedFiles& files, const MemoryPlan& memory)
      : plan_(plan), files_(files), memory_(memory) {}

  std::vector<Unit> run() {
    for (std::uint32_t f = 0; f < files_.files.size(); ++f) {
      const std::span<const Segment> segments = files_.files[f].segments;
      for (std::uint32_t s = 0; s < segments.size(); ++s) {
        if (segments[s].size > memory_.tile_bytes || is_large_input(segments[s])) {
          flush();
          split(f, s, segments[s]);
        } else {
          gather(f, s, segments[s]);
        }
      }
      flush();
    }
    return std::move(units_);
  }

 private:
  std::uint64_t input_of(const Segment& segment) const { return input_size_of(plan_, segment); }
  bool is_large_input(const Segment& segment) const {
    return input_of(segment) > memory_.input_bytes;
  }

  // Adds a small segment to the run that becomes one piece.
  void gather(std::uint32_t file, std::uint32_t index, const Segment& segment) {
    const std::uint64_t input = input_of(segment);
    // Kernels write to aligned addresses, and a buffer starts at one.
    const bool misplaced = segment.kind == SegmentKind::tile && run_.segments != 0 &&
                           run_.size % kKernelAlignment != 0;
    // The aligned part of a file can go around the page cache; the rest must not spoil it.
    const bool ends_aligned_part = run_.segments != 0 && run_.size % kPage == 0 &&
                                   segment.offset % kPage == 0 && segment.size % kPage != 0;
    if (misplaced || ends_aligned_part || run_.size + segment.size > memory_.tile_bytes ||
        run_input_ + input > memory_.input_bytes) {
      flush();
    }
    if (run_.segments == 0) {
      run_.file = file;
      run_.first_segment = index;
    }
    ++run_.segments;
    run_.size += segment.size;
    run_input_ += input;
  }

  void flush() {
    if (run_.segments != 0) {
      run_.piece_bytes = run_.size;
      units_.push_back(run_);
    }
    run_ = Unit{};
    run_.segments = 0;
    run_input_ = 0;
  }

  void split(std::uint32_t file, std::uint32_t index, const Segment& segment) {
    Unit unit;
    unit.file = file;
    unit.first_segment = index;
    if (segment.kind == SegmentKind::woven) {
      unit.piece_bytes = best_multiple(segment.grain(), memory_.tile_bytes);
      unit.size = segment.size;
      // Where the parts' input is too large to be held, each piece reads it block by block, alone.
      unit.slab = is_large_input(segment);
      if (!unit.slab) {
        units_.push_back(unit);
      } else {
        add_each(unit, segment, unit.piece_bytes);
      }
      return;
    }
    if (segment.kind != SegmentKind::tile) {
      const std::uint64_t most = std::min(memory_.tile_bytes, memory_.input_bytes / 2);
      add_each(unit, segment, best_multiple(segment.grain(), most));
      return;
    }
    const QuantizedLinear& linear = *plan_.linears[segment.source];
    const PackLayout& layout = *linear.layout;
    unit.piece_bytes = rows_per_piece(segment) * segment.row_bytes;
    if (!layout.columns_strided) {
      // Scales may be strided all the same, and large: fewer rows do not need much less of them.
      while (unit.piece_bytes > segment.grain() &&
             input_of(cut(segment, 0, std::min(unit.piece_bytes, segment.size))) >
                 memory_.input_bytes) {
        const std::uint64_t half = unit.piece_bytes / segment.row_bytes / 2;
        unit.piece_bytes = round_up(half, segment.row_block) * segment.row_bytes;
      }
      add_each(unit, segment, unit.piece_bytes);
    } else if (!needs_slabs(linear, memory_)) {
      unit.size = segment.size;
      units_.push_back(unit);
    } else {
      unit.slab = true;
      add_each(unit, segment, slab_rows(linear) * segment.row_bytes);
    }
  }

  std::uint64_t rows_per_piece(const Segment& segment) const {
    const std::uint64_t step = segment.row_step * segment.row_bytes;
    const std::uint64_t grain = step <= memory_.tile_bytes ? step : segment.grain();
    return best_multiple(grain, memory_.tile_bytes) / segment.row_bytes;
  }

  // Columns whose packed bytes fill the slab buffer; 4 MiB are for its lines' alignment.
  std::uint64_t slab_rows(const QuantizedLinear& linear) const {
    const PackLayout& layout = *linear.layout;
    std::uint64_t slack = 0;
    for (const PackedOperand& operand : linear.operands) {
      // Every slab has all of those.
      slack += operand.lines * (operand.is_whole() ? operand.pitch : kKernelAlignment);
    }
    const std::uint64_t room = memory_.slab_bytes > slack ? memory_.slab_bytes - slack : 0;
    const std::uint64_t blocks = divide_up(linear.out_features, layout.row_block);
    const std::uint64_t block_bytes = divide_up(packed_bytes(linear), blocks);
    const std::uint64_t rows = std::max<std::uint64_t>(1, room / block_bytes) * layout.row_block;
    return rows >= layout.row_step ? round_down(rows, layout.row_step) : rows;
  }

  // One unit for each `bytes` of the segment.
  void add_each(Unit unit, const Segment& segment, std::uint64_t bytes) {
    if (unit.piece_bytes == 0 || unit.piece_bytes > bytes) unit.piece_bytes = bytes;
    for (std::uint64_t at = 0; at < segment.size; at += bytes) {
      unit.begin = at;
      unit.size = std::min(bytes, segment.size - at);
      units_.push_back(unit);
    }
  }

  const Plan& plan_;
  const PlannedFiles& files_;
  const MemoryPlan& memory_;
  std::vector<Unit> units_;
  Unit run_{.file = 0, .first_segment = 0, .segments = 0};
  std::uint64_t run_input_ = 0;
};

}  // namespace

std::vector<Unit> make_schedule(const Plan& plan, const PlannedFiles& files,
                                const MemoryPlan& memory) {
  return Scheduler(plan, files, memory).run();
}

void get_piece(const PlannedFiles& files, const Unit& unit, std::uint64_t index, Piece& piece) {
  const PlannedFile& file = files.files[unit.file];
  const std::uint64_t at = index * unit.piece_bytes;
  piece.file = unit.file;
  piece.size = std::min(unit.piece_bytes, unit.size - at);
  piece.segments.clear();
  piece.tensors_ended = 0;
  // Where the last segment of a tensor ends, the tensor does. A shard that is copied whole, without
  // a header of ours, ends all of its own.
  const auto tensors_of = [&](std::size_t at_segment) -> std::uint64_t {
    const Segment& segment = file.segments[at_segment];
    if (file.tensors == 0 || segment.kind == SegmentKind::literal) return 0;
    if (segment.tensor == Segment::kNoTensor) return file.tensors;
    const bool last = at_segment + 1 == file.segments.size() ||
                      file.segments[at_segment + 1].tensor != segment.tensor;
    return last ? 1 : 0;
  };
  if (unit.segments == 1) {
    const Segment& whole = file.segments[unit.first_segment];
    piece.segments.push_back(cut(whole, unit.begin + at, piece.size));
    if (unit.begin + at + piece.size == whole.size) {
      piece.tensors_ended = tensors_of(unit.first_segment);
    }
  } else {
    for (std::size_t i = 0; i < unit.segments; ++i) {
      piece.segments.push_back(file.segments[unit.first_segment + i]);
      piece.tensors_ended += tensors_of(unit.first_segment + i);
    }
  }
  piece.offset = piece.segments.front().offset;
}

}  // namespace thaw
