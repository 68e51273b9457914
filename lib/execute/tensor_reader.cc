#include "execute/tensor_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "execute/gather.h"
#include "execute/linear_view.h"
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
  for (const InputRange& range : input_ranges(plan_, piece)) {
    if (range.size == 0) continue;
    const MappedFile& file = *plan_.inputs[range.input];
    if (file.damaged()) return file.check_unchanged();
  }
  return {};
}

Result<std::uint64_t> TensorReader::make(const Segment& piece, const TileSource* slab,
                                         kernels::Stores stores, ReadSpace& space,
                                         std::byte* out) const {
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

Status TensorReader::read(const PlannedTensor& tensor, std::uint64_t from, std::uint64_t size,
                          const Hold* hold, ReadSpace& space, std::byte* out) const {
  std::uint64_t begin = 0;  // of the segment in the tensor
  for (std::size_t i = 0; i < tensor.segment_count; ++i) {
    const std::size_t index = tensor.first_segment + i;
    const Segment& segment = plan_.segments[index];
    const std::uint64_t first = std::max(from, begin);
    const std::uint64_t last = std::min(from + size, begin + segment.size);
    if (first < last) {
      std::byte* const to = out + (first - from);
      if (segment.kind == SegmentKind::tile) {
        const TileSource* held = hold != nullptr ? hold->find(index) : nullptr;
        THAW_RETURN_IF_ERROR(read_rows(segment, first - begin, last - first, held, space, to));
      } else {
        THAW_RETURN_IF_ERROR(read_elements(segment, first - begin, last - first, space, to));
      }
    }
    begin += segment.size;
  }
  return {};
}

Status TensorReader::read_elements(const Segment& segment, std::uint64_t from, std::uint64_t size,
                                   ReadSpace& space, std::byte* out) const {
  const std::uint64_t step = round_down(kStep, segment.grain());
  for (std::uint64_t at = 0; at < size; at += step) {
    const Segment piece = cut(segment, from + at, std::min(step, size - at));
    HeldInput held(input_);
    THAW_RETURN_IF_ERROR(held.add(input_ranges(plan_, piece)));
    THAW_RETURN_IF_ERROR(
        make(piece, nullptr, kernels::Stores::normal, space, out + at).take_status());
  }
  return {};
}

Status TensorReader::read_rows(const Segment& segment, std::uint64_t from, std::uint64_t size,
                               const TileSource* held, ReadSpace& space, std::byte* out) const {
  const QuantizedLinear& linear = *plan_.linears[segment.source];
  const std::uint64_t grain = segment.grain();
  // Where a slab has to be gathered, all lines are read for it: rather once.
  std::uint64_t step = std::max(grain, round_down(kStep, grain));
  if (held == nullptr && linear.layout->columns_strided) {
    const std::uint64_t packed = divide_up(packed_bytes(linear), linear.out_features);  // of a row
    step = std::max(grain, round_down(2 * kStep / packed * segment.row_bytes, grain));
  }
  for (std::uint64_t at = round_down(from, grain); at < from + size;) {
    const std::uint64_t end =
        std::min(at + step, std::min(round_up(from + size, grain), segment.size));
    const Segment piece = cut(segment, at, end - at);
    const bool whole = at >= from && end <= from + size;
    if (whole && is_aligned(out + (at - from))) {
      THAW_RETURN_IF_ERROR(make_rows(piece, held, space, out + (at - from)));
    } else {
      THAW_RETURN_IF_ERROR(reserve(space.rows, end - at));
      THAW_RETURN_IF_ERROR(make_rows(piece, held, space, space.rows.data()));
      const std::uint64_t first = std::max(at, from);
      const std::uint64_t last = std::min(end, from + size);
      std::memcpy(out + (first - from), space.rows.data() + (first - at), last - first);
    }
    at = end;
  }
  return {};
}

Status TensorReader::make_rows(const Segment& piece, const TileSource* held, ReadSpace& space,
                               std::byte* out) const {
  const auto made = [&](const TileSource* source) -> Status {
    return make(piece, source, kernels::Stores::normal, space, out).take_status();
  };
  if (held != nullptr) return made(held);
  const QuantizedLinear& linear = *plan_.linears[piece.source];
  HeldInput input(input_);
  if (!linear.layout->columns_strided) {
    THAW_RETURN_IF_ERROR(input.add(input_ranges(plan_, piece)));
    return made(nullptr);
  }
  const Slab slab = lay_out_slab(linear, piece.begin, piece.begin + piece.size / piece.row_bytes);
  THAW_RETURN_IF_ERROR(reserve(space.slab, slab.size));
  THAW_RETURN_IF_ERROR(gather_slab(plan_.inputs, input_, linear, slab, space.slab.data()));
  THAW_RETURN_IF_ERROR(input.add(divisor_range(plan_, piece)));
  const TileSource source{slab_view(linear, slab, space.slab.data()), slab.first};
  return made(&source);
}

const TileSource* TensorReader::Hold::find(std::size_t segment) const {
  const auto found = sources_.find(segment);
  return found == sources_.end() ? nullptr : &found->second;
}

Status TensorReader::Hold::keep(const PlannedTensor& tensor, std::uint64_t from, std::uint64_t size,
                                std::uint64_t most) {
  ranges_.release();
  sources_.clear();
  const Plan& plan = reader_.plan_;
  struct Needed {
    std::size_t index;
    Segment piece;
    Slab slab;
    std::uint64_t begin;  // of its slab among all
  };
  std::vector<Needed> needed;
  std::uint64_t packed = 0;
  std::uint64_t slabs = 0;
  std::uint64_t begin = 0;  // of the segment in the tensor
  for (std::size_t i = 0; i < tensor.segment_count; ++i) {
    const std::size_t index = tensor.first_segment + i;
    const Segment& segment = plan.segments[index];
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
    needed.push_back({index, piece, slab, slabs});
    packed += packed_bytes(linear);
    slabs += round_up(slab.size, kKernelAlignment);
  }
  const bool whole = packed <= most;
  if (!whole) THAW_RETURN_IF_ERROR(reserve(slabs_, slabs));
  for (const Needed& one : needed) {
    const QuantizedLinear& linear = *plan.linears[one.piece.source];
    if (whole) {
      THAW_RETURN_IF_ERROR(ranges_.add(input_ranges(plan, one.piece)));
      sources_[one.index] = {mapped_view(plan, linear), 0};
      continue;
    }
    std::byte* const to = slabs_.data() + one.begin;
    THAW_RETURN_IF_ERROR(ranges_.add(divisor_range(plan, one.piece)));
    THAW_RETURN_IF_ERROR(gather_slab(plan.inputs, reader_.input_, linear, one.slab, to));
    sources_[one.index] = {slab_view(linear, one.slab, to), one.slab.first};
  }
  return {};
}

}  // namespace thaw
