#include "plan/output_tensors.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "plan/folded.h"
#include "plan/overlay_tensors.h"

namespace thaw {

namespace {

OutputTensor weight_of(const QuantizedLinear& linear, const PlanRequest& request, Plan& plan) {
  OutputTensor tensor;
  tensor.name = linear.module.empty() ? "weight" : std::string(linear.module) + ".weight";
  tensor.dtype = request.dtype;
  const bool sliced = linear.rows_per_slice != 0;  // of experts: [slices, rows, columns]
  const std::uint64_t rows = sliced ? linear.rows_per_slice : linear.out_features;
  plan.weight_shapes.push_back({linear.out_features / rows, rows, linear.in_features});
  tensor.shape = std::span<const std::uint64_t>(plan.weight_shapes.back()).subspan(sliced ? 0 : 1);
  Segment& segment = tensor.segment;
  segment.kind = SegmentKind::tile;
  segment.name = linear.module;
  segment.to = request.dtype;
  segment.source = static_cast<std::uint32_t>(plan.linears.size());
  segment.row_bytes = linear.in_features * (dtype_bits(request.dtype) / 8);
  segment.size = segment.row_bytes * linear.out_features;
  tensor.size = segment.size;
  plan.linears.push_back(&linear);
  return tensor;
}

// Float16 and bfloat16 follow the output type; whatever is wider, narrower or no float stays, and
// so does all of a module that nobody here reads.
OutputTensor carried(const Tensor& input, bool unchanged, const PlanRequest& request, Plan& plan) {
  OutputTensor tensor;
  tensor.name = input.name;
  tensor.shape = input.shape;
  const bool half = input.dtype == Dtype::f16 || input.dtype == Dtype::bf16;
  const bool cast = half && !unchanged && input.dtype != request.dtype;
  tensor.dtype = cast ? request.dtype : input.dtype;
  Segment& segment = tensor.segment;
  segment.kind = cast ? SegmentKind::cast : SegmentKind::copy;
  segment.name = input.name;
  segment.from = input.dtype;
  segment.to = tensor.dtype;
  segment.source = input.shard;
  segment.begin = input.begin;
  segment.size = cast ? input.size() / 2 * (dtype_bits(request.dtype) / 8) : input.size();
  tensor.size = segment.size;
  ++(cast ? plan.tensors_cast : plan.tensors_copied);
  return tensor;
}

}  // namespace

Result<std::vector<OutputTensor>> list_output_tensors(const PlanRequest& request, Plan& plan) {
  if (request.overlay != nullptr) return list_overlay_tensors(request, plan);
  const Checkpoint& checkpoint = *request.checkpoint;
  std::vector<OutputTensor> tensors;
  tensors.reserve(checkpoint.tensors().size());
  plan.linears.reserve(request.linears->linears.size());
  const Folded folded(request, plan);
  for (const QuantizedLinear& linear : request.linears->linears) {
    const std::uint64_t element = dtype_bits(request.dtype) / 8;
    const auto elements = checked_multiply(linear.in_features, linear.out_features);
    if (!elements || !checked_multiply(*elements, element)) {
      return fail(
          ErrorCode::input, {.file = checkpoint.file_of(linear.codes()), .tensor = linear.module},
          "weight is too large", shape_text(std::array{linear.out_features, linear.in_features}),
          "a size in bytes below 2^64");
    }
    tensors.push_back(weight_of(linear, request, plan));
    folded.divide(linear, tensors.back());
  }
  const std::span<const Tensor> inputs = checkpoint.tensors();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::uint8_t mark = request.linears->consumed[i];
    if (mark == 1 || folded.drops(inputs[i])) continue;
    tensors.push_back(carried(inputs[i], mark == 2, request, plan));
    folded.divide(inputs[i], tensors.back());
  }
  std::sort(tensors.begin(), tensors.end(), [](const OutputTensor& a, const OutputTensor& b) {
    return natural_less(a.name, b.name);
  });
  ErrorList errors;
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    if (tensors[i].name != tensors[i - 1].name) continue;
    errors.add(make_error(ErrorCode::input, {.file = checkpoint.path(), .tensor = tensors[i].name},
                          "would stand in the output twice: as a float tensor and as the weight "
                          "of a quantized linear"));
  }
  THAW_RETURN_IF_ERROR(errors.take());
  plan.tensors = tensors.size();
  return tensors;
}

}  // namespace thaw
