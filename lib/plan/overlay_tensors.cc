#include "plan/overlay_tensors.h"

#include <algorithm>

#include "base/text.h"
#include "plan/folded.h"

namespace thaw {

namespace {

Segment tile(const Tensor& base, const QuantizedLinear& linear, Plan& plan) {
  Segment segment;
  segment.kind = SegmentKind::tile;
  segment.name = linear.module;
  segment.to = base.dtype;
  segment.source = static_cast<std::uint32_t>(plan.linears.size());
  segment.row_bytes = linear.in_features * (dtype_bits(base.dtype) / 8);
  plan.linears.push_back(&linear);
  return segment;
}

// `input` is where the tensor's shard stands in Plan::inputs.
Segment carried(const Tensor& base, const Tensor& from, std::uint32_t input, Plan& plan) {
  Segment segment;
  const bool cast = from.dtype != base.dtype;
  segment.kind = cast ? SegmentKind::cast : SegmentKind::copy;
  segment.name = base.name;
  segment.from = from.dtype;
  segment.to = base.dtype;
  segment.source = input;
  segment.begin = from.begin;
  ++(cast ? plan.tensors_cast : plan.tensors_copied);
  return segment;
}

}  // namespace

std::vector<OutputTensor> list_overlay_tensors(const PlanRequest& request, Plan& plan) {
  const Overlay& overlay = *request.overlay;
  const std::span<const Tensor> base = overlay.base->tensors();
  const auto first_of_base = static_cast<std::uint32_t>(request.checkpoint->shards().size());
  const Folded folded(request, plan);
  std::vector<OutputTensor> tensors;
  tensors.reserve(base.size());
  for (std::size_t i = 0; i < base.size(); ++i) {
    const OverlaySource& source = overlay.sources[i];
    OutputTensor tensor;
    tensor.name = base[i].name;
    tensor.dtype = base[i].dtype;
    tensor.shape = base[i].shape;
    tensor.size = base[i].size();
    if (source.linear != nullptr) {
      tensor.segment = tile(base[i], *source.linear, plan);
      folded.divide(*source.linear, tensor);
    } else if (source.tensor != nullptr) {
      tensor.segment = carried(base[i], *source.tensor, source.tensor->shard, plan);
      folded.divide(*source.tensor, tensor);
    } else {
      tensor.segment = carried(base[i], base[i], first_of_base + base[i].shard, plan);
    }
    tensor.segment.size = tensor.size;
    tensors.push_back(std::move(tensor));
  }
  std::sort(tensors.begin(), tensors.end(), [](const OutputTensor& a, const OutputTensor& b) {
    return natural_less(a.name, b.name);
  });
  plan.tensors = tensors.size();
  plan.base_tensors = base.size();
  return tensors;
}

}  // namespace thaw
