#include "plan/tensor_list.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace thaw {

Segment tile_of(const QuantizedLinear& linear, Dtype dtype, Plan& plan) {
  Segment segment;
  segment.kind = SegmentKind::tile;
  segment.to = dtype;
  segment.source = static_cast<std::uint32_t>(plan.linears.size());
  segment.row_bytes = linear.in_features * (dtype_bits(dtype) / 8);
  segment.size = segment.row_bytes * linear.out_features;
  segment.row_block = static_cast<std::uint32_t>(linear.layout->row_block);
  segment.row_step = static_cast<std::uint32_t>(linear.layout->row_step);
  plan.linears.push_back(&linear);
  return segment;
}

Segment carried(const Tensor& tensor, std::uint32_t input, Dtype to) {
  Segment segment;
  const bool cast = tensor.dtype != to;
  segment.kind = cast ? SegmentKind::cast : SegmentKind::copy;
  segment.from = tensor.dtype;
  segment.to = to;
  segment.source = input;
  segment.begin = tensor.begin;
  segment.size =
      cast ? tensor.size() / (dtype_bits(tensor.dtype) / 8) * (dtype_bits(to) / 8) : tensor.size();
  return segment;
}

Segment weave_of(Weave weave, Plan& plan) {
  Segment segment;
  segment.kind = SegmentKind::woven;
  segment.to = weave.parts[0].to;
  segment.source = static_cast<std::uint32_t>(plan.weaves.size());
  std::uint32_t block = 1;
  for (std::size_t i = 0; i < weave.parts.size(); ++i) {
    weave.outer += weave.rows_of(i);
    block = std::max(block, weave.parts[i].row_block);
    segment.size += weave.parts[i].size;
  }
  segment.row_bytes = weave.columns() * (dtype_bits(segment.to) / 8);
  if (!weave.transposed) {
    segment.row_block = block * static_cast<std::uint32_t>(weave.parts.size());
    segment.row_step = segment.row_block;
  }
  plan.weaves.push_back(std::move(weave));
  return segment;
}

void add_tensor(Plan& plan, const PlannedTensor& tensor, Segment segment) {
  plan.tensors.push_back(tensor);
  plan.tensors.back().first_segment = static_cast<std::uint32_t>(plan.segments.size());
  plan.tensors.back().segment_count = 1;
  plan.segments.push_back(segment);
}

void sort_tensors(Plan& plan) {
  std::sort(
      plan.tensors.begin(), plan.tensors.end(),
      [](const PlannedTensor& a, const PlannedTensor& b) { return natural_less(a.name, b.name); });
  for (std::uint32_t i = 0; i < plan.tensors.size(); ++i) {
    const PlannedTensor& tensor = plan.tensors[i];
    for (std::uint32_t s = 0; s < tensor.segment_count; ++s) {
      plan.segments[tensor.first_segment + s].tensor = i;
    }
  }
}

const PlannedTensor* Plan::find(std::string_view name) const {
  const auto found = std::lower_bound(tensors.begin(), tensors.end(), name,
                                      [](const PlannedTensor& tensor, std::string_view wanted) {
                                        return natural_less(tensor.name, wanted);
                                      });
  return found != tensors.end() && found->name == name ? &*found : nullptr;
}

}  // namespace thaw
