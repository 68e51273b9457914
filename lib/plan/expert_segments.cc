#include "plan/expert_segments.h"

#include <vector>

#include "plan/tensor_list.h"

namespace thaw {

void ExpertSegments::add(std::string_view name, std::span<const std::uint64_t> shape,
                         const ExpertTensor& tensor, Dtype dtype, bool only_halves) {
  PlannedTensor planned;
  planned.name = name;
  planned.shape = shape;
  planned.first_segment = static_cast<std::uint32_t>(plan_.segments.size());
  for (const ExpertMatrix& matrix : tensor.matrices) append(matrix, dtype, only_halves);
  planned.segment_count = static_cast<std::uint32_t>(plan_.segments.size()) - planned.first_segment;
  const std::span<Segment> segments(&plan_.segments[planned.first_segment], planned.segment_count);
  bool dequantized = false;
  bool cast = false;
  for (Segment& segment : segments) {
    segment.offset = planned.size;
    planned.size += segment.size;
    const bool made = segment.kind == SegmentKind::tile || segment.kind == SegmentKind::woven;
    dequantized = dequantized || made;
    cast = cast || segment.kind == SegmentKind::cast;
  }
  planned.dtype = segments.front().to;
  plan_.tensors.push_back(planned);
  if (!dequantized) ++(cast ? plan_.tensors_cast : plan_.tensors_copied);
}

void ExpertSegments::append(const ExpertMatrix& matrix, Dtype dtype, bool only_halves) {
  std::vector<Segment> parts;
  for (const ExpertPart& part : matrix.parts) {
    parts.push_back(rows_of(part, matrix.columns, dtype, only_halves));
  }
  if (!matrix.transposed && !matrix.interleaved) {
    plan_.segments.insert(plan_.segments.end(), parts.begin(), parts.end());
    return;
  }
  Weave weave;
  weave.inner = matrix.columns;
  weave.transposed = matrix.transposed;
  weave.interleaved = matrix.interleaved;
  weave.parts = std::move(parts);
  plan_.segments.push_back(weave_of(std::move(weave), plan_));
}

Segment ExpertSegments::rows_of(const ExpertPart& part, std::uint64_t columns, Dtype dtype,
                                bool only_halves) {
  const Segment all = all_of(part.source, dtype, only_halves);
  const std::uint64_t row = columns * (dtype_bits(all.to) / 8);
  return cut(all, part.first * row, part.rows * row);
}

Segment ExpertSegments::all_of(const ExpertSource& source, Dtype dtype, bool only_halves) {
  if (source.linear == nullptr) {
    const Tensor& tensor = *source.tensor;
    tensors_.insert(&tensor);
    const bool stays = only_halves && tensor.dtype != Dtype::f16 && tensor.dtype != Dtype::bf16;
    Segment segment = carried(tensor, tensor.shard, stays ? tensor.dtype : dtype);
    folded_.divide(tensor, segment);
    return segment;
  }
  linears_.insert(source.linear);
  const auto [at, added] = tiles_.try_emplace({source.linear, dtype});
  if (added) {
    at->second = tile_of(*source.linear, dtype, plan_);
    folded_.divide(*source.linear, at->second);
  }
  return at->second;
}

}  // namespace thaw
