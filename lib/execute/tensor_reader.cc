#include "execute/tensor_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "execute/gather.h"
#include "execute/linear_view.h"
#include "execute/scatter.h"
#include "plan/input_ranges.h"
#include "plan/memory.h"

namespace thaw {

namespace {

constexpr std::uint64_t kStep = 4u << 20;  // of output or input that is read at once
constexpr std::uint64_t kKernelAlignment = 64;

bool is_aligned(const std::byte* at) {
  return reinterpret_cast<std::uintptr_t>(at) % kKernelAlignment == 0;
}

}  // namespace

Status reserve(AlignedMemory& memory, std::uint64_t size) {
  if (memory.data() != nullptr && memory.size() >= size) return {};
  memory = {};  // not both at once
  THAW_ASSIGN_OR_RETURN(memory, AlignedMemory::allocate(std::max<std::uint64_t>(size, 1)));
  return {};
}

Status TensorReader::check_undamaged(const Segment& piece) const {
  const MappedFile* damaged = nullptr;
  each_input_range(plan_, piece, [&](const InputRange& range) {
    const MappedFile* file = plan_.inputs[range.input];
    if (file->damaged()) damaged = file;
  });
  return damaged == nullptr ? Status() : damaged->check_unchanged();
}

Result<std::uint64_t> TensorReader::make(const Segment& piece, const TileSource* slab,
                                         kernels::Stores stores, ReadSpace& space,
                                         std::byte* out) const {
  if (piece.kind == SegmentKind::woven) return weave(piece, Input::present, space, out);
  TileSource source;
  if (piece.kind == SegmentKind::tile) {
    const QuantizedLinear& linear = *plan_.linears[piece.source];
    source = slab != nullptr ? *slab : TileSource{mapped_view(plan_, linear), 0};
    if (piece.divisor != 0) {
      THAW_RETURN_IF_ERROR(reserve(space.divided, scratch_bytes(linear)));
      source.scratch = space.divided.data();
    }
  }
  const std::uint64_t overflows = make_segment(plan_, table_, piece, source, stores, out);
  // Before the bytes go on: what was read from a damaged file is not what it said.
  THAW_RETURN_IF_ERROR(check_undamaged(piece));
  return overflows;
}

Result<std::uint64_t> TensorReader::read(std::span<const Segment> segments, std::uint64_t from,
                                         std::uint64_t size, const Hold* hold, ReadSpace& space,
                                         std::byte* out) const {
  std::uint64_t overflows = 0;
  std::uint64_t begin = 0;  // of the segment among them all
  for (const Segment& segment : segments) {
    const std::uint64_t first = std::max(from, begin);
    const std::uint64_t last = std::min(from + size, begin + segment.size);
    if (first < last) {
      const TileSource* held = hold != nullptr ? hold->find(segment) : nullptr;
      THAW_ASSIGN_OR_RETURN(
          const std::uint64_t count,
          read_segment(segment, first - begin, last - first, held, space, out + (first - from)));
      overflows += count;
    }
    begin += segment.size;
  }
  return overflows;
}

Result<std::uint64_t> TensorReader::read_segment(const Segment& segment, std::uint64_t from,
                                                 std::uint64_t size, const TileSource* held,
                                                 ReadSpace& space, std::byte* out) const {
  std::uint64_t overflows = 0;
  const std::uint64_t grain = segment.grain();
  // Where all lines or parts are read for a piece of any size: rather once.
  std::uint64_t most = kStep;
  if (segment.kind == SegmentKind::woven) {
    most = std::max(kStep, size);
  } else if (held == nullptr && is_strided(segment)) {
    const QuantizedLinear& linear = *plan_.linears[segment.source];
    most = kStep / divide_up(packed_bytes(linear), linear.out_features) * segment.row_bytes;
  }
  const bool any_alignment =
      segment.kind != SegmentKind::tile && segment.kind != SegmentKind::woven;
  const std::uint64_t step = std::max(grain, round_down(most, grain));
  for (std::uint64_t at = round_down(from, grain); at < from + size;) {
    const std::uint64_t end =
        std::min(at + step, std::min(round_up(from + size, grain), segment.size));
    const Segment piece = cut(segment, at, end - at);
    const bool whole = at >= from && end <= from + size;
    const bool direct = whole && (any_alignment || is_aligned(out + (at - from)));
    if (!direct) THAW_RETURN_IF_ERROR(reserve(space.rows, end - at));
    std::byte* const made = direct ? out + (at - from) : space.rows.data();
    THAW_ASSIGN_OR_RETURN(const std::uint64_t count, make_piece(piece, held, space, made));
    overflows += count;
    if (!direct) {
      const std::uint64_t first = std::max(at, from);
      const std::uint64_t last = std::min(end, from + size);
      std::memcpy(out + (first - from), made + (first - at), last - first);
    }
    at = end;
  }
  return overflows;
}

bool TensorReader::is_strided(const Segment& segment) const {
  return segment.kind == SegmentKind::tile &&
         plan_.linears[segment.source]->layout->columns_strided;
}

Result<std::uint64_t> TensorReader::make_piece(const Segment& piece, const TileSource* held,
                                               ReadSpace& space, std::byte* out) const {
  if (piece.kind == SegmentKind::woven) return read_woven(piece, space, out);
  if (held != nullptr) return make(piece, held, kernels::Stores::normal, space, out);
  HeldInput input(input_);
  if (!is_strided(piece)) {
    THAW_RETURN_IF_ERROR(input.add(plan_, piece));
    return make(piece, nullptr, kernels::Stores::normal, space, out);
  }
  const QuantizedLinear& linear = *plan_.linears[piece.source];
  const Slab slab = lay_out_slab(linear, piece.begin, piece.begin + piece.size / piece.row_bytes);
  THAW_RETURN_IF_ERROR(reserve(space.slab, slab.size));
  THAW_RETURN_IF_ERROR(gather_slab(plan_.inputs, input_, linear, slab, space.slab.data()));
  THAW_RETURN_IF_ERROR(input.add(divisor_range(plan_, piece)));
  const TileSource source{slab_view(linear, slab, space.slab.data()), slab.first};
  return make(piece, &source, kernels::Stores::normal, space, out);
}

Result<std::uint64_t> TensorReader::read_woven(const Segment& piece, ReadSpace& space,
                                               std::byte* out) const {
  return weave(piece, Input::absent, space, out);
}

// Of a transposed matrix every strip of rows needs some columns of all rows of its parts, which are
// made whole, block by block: an overflow is counted in the first strip alone.
Result<std::uint64_t> TensorReader::weave(const Segment& piece, Input input, ReadSpace& space,
                                          std::byte* out) const {
  const Weave& weave = plan_.weaves[piece.source];
  const std::uint64_t row_begin = piece.begin;
  const std::uint64_t row_end = row_begin + piece.size / piece.row_bytes;
  std::uint64_t overflows = 0;
  for (std::size_t i = 0; i < weave.parts.size(); ++i) {
    const Segment& part = weave.parts[i];
    const std::uint64_t all = weave.rows_of(i);
    const std::uint64_t part_row = part.size / std::max<std::uint64_t>(1, all);
    std::uint64_t first = 0;
    std::uint64_t last = all;
    if (!weave.transposed) {
      const std::uint64_t count = weave.parts.size();
      first = round_down(row_begin / count, part.row_block);
      last = std::min(all, round_up(divide_up(row_end, count), part.row_block));
    }
    const std::uint64_t step = weave.block_rows(i);
    THAW_RETURN_IF_ERROR(reserve(space.woven, std::min(step, all) * part_row));
    for (std::uint64_t at = first; at < last; at += step) {
      const std::uint64_t end = std::min(at + step, last);
      const Segment rows = cut(part, at * part_row, (end - at) * part_row);
      std::byte* const made = space.woven.data();
      THAW_ASSIGN_OR_RETURN(const std::uint64_t count,
                            input == Input::present
                                ? make(rows, nullptr, kernels::Stores::normal, space, made)
                                : make_piece(rows, nullptr, space, made));
      if (!weave.transposed || row_begin == 0) overflows += count;
      scatter(weave, i, at, end, made, row_begin, row_end, out);
    }
  }
  return overflows;
}

const TileSource* TensorReader::Hold::find(const Segment& segment) const {
  const auto found = sources_.find(&segment);
  return found == sources_.end() ? nullptr : &found->second;
}

Status TensorReader::Hold::keep(std::span<const Segment> segments, std::uint64_t from,
                                std::uint64_t size, std::uint64_t most) {
  ranges_.release();
  sources_.clear();
  const Plan& plan = reader_.plan_;
  struct Needed {
    const Segment* segment;
    Segment piece;
    Slab slab;
    std::uint64_t begin;  // of its slab among all
  };
  std::vector<Needed> needed;
  std::uint64_t packed = 0;
  std::uint64_t slabs = 0;
  std::uint64_t begin = 0;  // of the segment among them all
  for (const Segment& segment : segments) {
    const std::uint64_t first = std::max(from, begin);
    const std::uint64_t last = std::min(from + size, begin + segment.size);
    begin += segment.size;
    if (first >= last || segment.kind != SegmentKind::tile) continue;
    const QuantizedLinear& linear = *plan.linears[segment.source];
    if (!linear.layout->columns_strided) continue;
    const std::uint64_t grain = segment.grain();
    const std::uint64_t before = begin - segment.size;
    const std::uint64_t at = round_down(first - before, grain);
    const std::uint64_t end = std::min(round_up(last - before, grain), segment.size);
    const Segment piece = cut(segment, at, end - at);
    const Slab slab = lay_out_slab(linear, piece.begin, piece.begin + piece.size / piece.row_bytes);
    needed.push_back({&segment, piece, slab, slabs});
    packed += packed_bytes(linear);
    slabs += round_up(slab.size, kKernelAlignment);
  }
  const bool whole = packed <= most;
  if (!whole) THAW_RETURN_IF_ERROR(reserve(slabs_, slabs));
  for (const Needed& one : needed) {
    const QuantizedLinear& linear = *plan.linears[one.piece.source];
    if (whole) {
      THAW_RETURN_IF_ERROR(ranges_.add(input_ranges(plan, one.piece)));
      sources_[one.segment] = {mapped_view(plan, linear), 0};
      continue;
    }
    std::byte* const to = slabs_.data() + one.begin;
    THAW_RETURN_IF_ERROR(ranges_.add(divisor_range(plan, one.piece)));
    THAW_RETURN_IF_ERROR(gather_slab(plan.inputs, reader_.input_, linear, one.slab, to));
    sources_[one.segment] = {slab_view(linear, one.slab, to), one.slab.first};
  }
  return {};
}

}  // namespace thaw
