#include "plan/expert_segments.h"
#include "plan/folded.h"
#include "plan/output_tensors.h"
#include "plan/tensor_list.h"

namespace thaw {

void list_overlay_tensors(const PlanRequest& request, Plan& plan) {
  const Overlay& overlay = *request.overlay;
  const std::span<const Tensor> base = overlay.base->tensors();
  const auto first_of_base = static_cast<std::uint32_t>(request.checkpoint->shards().size());
  const Folded folded(request, plan);
  ExpertSegments experts(folded, plan);
  plan.tensors.reserve(base.size());
  plan.segments.reserve(base.size());
  for (std::size_t i = 0; i < base.size(); ++i) {
    const OverlaySource& source = overlay.sources[i];
    const Dtype dtype =
        request.as_float32 && is_output_dtype(base[i].dtype) ? Dtype::f32 : base[i].dtype;
    if (source.has_experts()) {
      experts.add(base[i].name, base[i].shape, overlay.experts[source.experts], dtype, false);
      continue;
    }
    PlannedTensor tensor;
    tensor.name = base[i].name;
    tensor.dtype = dtype;
    tensor.shape = base[i].shape;
    Segment segment;
    if (source.linear != nullptr) {
      segment = tile_of(*source.linear, dtype, plan);
      folded.divide(*source.linear, segment);
    } else if (source.tensor != nullptr) {
      segment = carried(*source.tensor, source.tensor->shard, dtype);
      folded.divide(*source.tensor, segment);
    } else {
      segment = carried(base[i], first_of_base + base[i].shard, dtype);
    }
    if (segment.kind == SegmentKind::cast) ++plan.tensors_cast;
    if (segment.kind == SegmentKind::copy) ++plan.tensors_copied;
    tensor.size = segment.size;
    add_tensor(plan, tensor, segment);
  }
  sort_tensors(plan);
  plan.base_tensors = base.size();
}

}  // namespace thaw
