#include "plan/output_tensors.h"

#include <array>
#include <string>

#include "base/bytes.h"
#include "base/text.h"
#include "plan/expert_tensors.h"
#include "plan/folded.h"
#include "plan/tensor_list.h"

namespace thaw {

namespace {

PlannedTensor weight_of(const QuantizedLinear& linear, const Segment& tile, Plan& plan) {
  PlannedTensor tensor;
  tensor.name = plan.arena.copy(weight_name(linear));
  tensor.dtype = tile.to;
  tensor.size = tile.size;
  const bool sliced = linear.rows_per_slice != 0;  // of experts: [slices, rows, columns]
  const std::uint64_t rows = sliced ? linear.rows_per_slice : linear.out_features;
  const std::array<std::uint64_t, 3> shape = {linear.out_features / rows, rows, linear.in_features};
  tensor.shape = plan.arena.copy(std::span<const std::uint64_t>(shape).subspan(sliced ? 0 : 1));
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
  THAW_ASSIGN_OR_RETURN(const PlacedExperts experts, add_experts(request, folded, plan));
  for (const QuantizedLinear& linear : request.linears->linears) {
    if (experts.linears.count(&linear) != 0) continue;
    Segment tile = tile_of(linear, request.dtype, plan);
    folded.divide(linear, tile);
    add_tensor(plan, weight_of(linear, tile, plan), tile);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& input = inputs[i];
    const std::uint8_t mark = request.linears->consumed[i];
    if (mark == 1 || folded.drops(input) || experts.tensors.count(&input) != 0) continue;
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
