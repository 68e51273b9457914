#include "plan/output_tensors.h"

#include <array>
#include <set>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "plan/expert_segments.h"
#include "plan/folded.h"
#include "plan/tensor_list.h"

namespace thaw {

namespace {

PlannedTensor weight_of(const QuantizedLinear& linear, const Segment& tile, Plan& plan) {
  PlannedTensor tensor;
  tensor.name = plan.arena.copy(weight_name(linear));
  tensor.dtype = tile.to;
  tensor.size = tile.size;
  tensor.shape = plan.arena.copy(std::span<const std::uint64_t>(weight_shape(linear)));
  return tensor;
}

// Float16 and bfloat16 follow the output type; whatever is wider, narrower or no float stays, and
// so does all of a module that nobody here reads.
Dtype output_type_of(const Tensor& input, bool unchanged, const PlanRequest& request) {
  const bool half = input.dtype == Dtype::f16 || input.dtype == Dtype::bf16;
  return half && !unchanged ? request.dtype : input.dtype;
}

Status check_size(const QuantizedLinear& linear, const PlanRequest& request) {
  const auto elements = checked_multiply(linear.in_features, linear.out_features);
  if (elements && checked_multiply(*elements, dtype_bits(request.dtype) / 8)) return {};
  return fail(ErrorCode::input,
              {.file = request.checkpoint->file_of(linear.codes()), .tensor = linear.module},
              "weight is too large",
              shape_text(std::array{linear.out_features, linear.in_features}),
              "a size in bytes below 2^64");
}

// Those that the architecture holds in another form than the checkpoint.
Status add_experts(const PlanRequest& request, ExpertSegments& experts, Plan& plan) {
  if (request.expert_spec == nullptr || !request.expert_spec->experts) return {};
  THAW_ASSIGN_OR_RETURN(
      ExpertTensors found,
      describe_experts({.checkpoint = request.checkpoint,
                        .linears = request.linears,
                        .spec = request.expert_spec,
                        .dtype = request.dtype,
                        .hint = "Use --keep-names to write the experts as they are here."}));
  for (const ExpertTensor& tensor : found.tensors) {
    const auto shape = plan.arena.copy(std::span<const std::uint64_t>(tensor.shape));
    experts.add(plan.arena.copy(tensor.name), shape, tensor, request.dtype, true);
  }
  plan.biases_left_out = std::move(found.biases_left_out);
  return {};
}

Status check_names(const Plan& plan, const Checkpoint& checkpoint) {
  ErrorList errors;
  for (std::size_t i = 1; i < plan.tensors.size(); ++i) {
    if (plan.tensors[i].name != plan.tensors[i - 1].name) continue;
    errors.add(make_error(ErrorCode::input,
                          {.file = checkpoint.path(), .tensor = plan.tensors[i].name},
                          "would stand in the output twice: as a float tensor and as the weight "
                          "of a quantized linear"));
  }
  return errors.take();
}

}  // namespace

Status list_output_tensors(const PlanRequest& request, Plan& plan) {
  const Checkpoint& checkpoint = *request.checkpoint;
  const std::span<const Tensor> inputs = checkpoint.tensors();
  plan.tensors.reserve(inputs.size());
  plan.segments.reserve(inputs.size());
  plan.linears.reserve(request.linears->linears.size());
  const Folded folded(request, plan);
  for (const QuantizedLinear& linear : request.linears->linears) {
    THAW_RETURN_IF_ERROR(check_size(linear, request));
  }
  ExpertSegments experts(folded, plan);
  THAW_RETURN_IF_ERROR(add_experts(request, experts, plan));
  for (const QuantizedLinear& linear : request.linears->linears) {
    if (experts.has(linear)) continue;
    Segment tile = tile_of(linear, request.dtype, plan);
    folded.divide(linear, tile);
    add_tensor(plan, weight_of(linear, tile, plan), tile);
  }
  const std::set<const Tensor*> left_out(plan.biases_left_out.begin(), plan.biases_left_out.end());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& input = inputs[i];
    const std::uint8_t mark = request.linears->consumed[i];
    if (left_out.count(&input) != 0) continue;
    if (mark == 1 || folded.drops(input) || experts.has(input)) continue;
    Segment segment = carried(input, input.shard, output_type_of(input, mark == 2, request));
    folded.divide(input, segment);
    ++(segment.kind == SegmentKind::cast ? plan.tensors_cast : plan.tensors_copied);
    PlannedTensor tensor;
    tensor.name = input.name;
    tensor.shape = input.shape;
    tensor.dtype = segment.to;
    tensor.size = segment.size;
    add_tensor(plan, tensor, segment);
  }
  sort_tensors(plan);
  return check_names(plan, checkpoint);
}

}  // namespace thaw
