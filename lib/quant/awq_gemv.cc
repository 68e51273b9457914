// AWQ GEMV: qweight I32 [N, K/8], qzeros I32 [N, zw], scales [N, 8 * zw]; the columns beyond the
// K/G groups are padding. Format: specs/awq.md clause 4.
#include "base/bytes.h"
#include "quant/layouts.h"

namespace thaw {

namespace {

constexpr PackLayout kLayout = {.id = LayoutId::awq_gemv, .name = "awq_gemv", .title = "AWQ GEMV"};

bool recognises(const ModuleTensors& tensors) {
  return tensors.qweight->dtype == Dtype::i32 && tensors.qzeros != nullptr &&
         tensors.scales->shape[0] == tensors.qweight->shape[0];
}

PackedOperand rows(const Tensor* tensor, std::uint64_t count, std::uint64_t bytes) {
  return {.tensor = tensor, .lines = count, .pitch = bytes, .out_features_per_line = 1};
}

Problem describe(const ModuleTensors& tensors, const QuantConfig& config, QuantizedLinear& linear) {
  const std::uint64_t out_features = tensors.qweight->shape[0];
  const std::optional<std::uint64_t> in_features = checked_multiply(tensors.qweight->shape[1], 8);
  if (!in_features.has_value()) return "qweight is too large";
  linear.in_features = *in_features;
  linear.out_features = out_features;
  std::uint64_t padded = 0;
  THAW_RETURN_IF_PROBLEM(groups_from_config(linear.in_features, config, linear.group_size, padded));
  THAW_RETURN_IF_PROBLEM(
      expect_tensor("scales", *tensors.scales, kScaleDtypes, out_features, padded));
  THAW_RETURN_IF_PROBLEM(
      expect_tensor("qzeros", *tensors.qzeros, {Dtype::i32}, out_features, padded / 8));
  linear.operands[Role::codes] = rows(tensors.qweight, out_features, linear.in_features / 2);
  linear.operands[Role::zeros] = rows(tensors.qzeros, out_features, padded / 2);
  linear.operands[Role::scales] =
      rows(tensors.scales, out_features, padded * element_bytes(*tensors.scales));
  return std::nullopt;
}

}  // namespace

constinit const LayoutReader kAwqGemvReader = {
    &kLayout, Naming::qweight, "as many rows of scales as of qweight", recognises, describe};

}  // namespace thaw
