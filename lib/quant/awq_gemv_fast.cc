// AWQ GEMV_FAST and its twin, llm-awq v2: qweight I16 [N/4, K], scales and zeros [8 * zw, N], the
// zeros multiplied by the scale and negated (qzeros, or scaled_zeros in llm-awq); the rows beyond
// the K/G groups are padding. Format: specs/awq.md clause 5.
#include "base/bytes.h"
#include "quant/layouts.h"

namespace thaw {

namespace {

constexpr PackLayout kGemvFast = {
    .id = LayoutId::awq_gemv_fast,
    .name = "awq_gemv_fast",
    .title = "AWQ GEMV_FAST",
    .row_block = 4,
    .row_step = 32,  // a cache line of scales
};
constexpr PackLayout kLlmAwqV2 = {.id = LayoutId::llm_awq_v2,
                                  .name = "awq_gemv_fast",
                                  .title = "llm-awq v2",
                                  .row_block = kGemvFast.row_block,
                                  .row_step = kGemvFast.row_step};

bool recognises_gemv_fast(const ModuleTensors& tensors) {
  return tensors.qweight->dtype == Dtype::i16 && tensors.scaled_zeros == nullptr &&
         !has_narrow_words(tensors);
}

bool recognises_llm_awq_v2(const ModuleTensors& tensors) {
  return tensors.qweight->dtype == Dtype::i16 && tensors.scaled_zeros != nullptr &&
         !has_narrow_words(tensors);
}

Problem describe(const ModuleTensors& tensors, const QuantConfig& config, QuantizedLinear& linear) {
  const bool llm_awq = tensors.scaled_zeros != nullptr;
  const Tensor* zeros = llm_awq ? tensors.scaled_zeros : tensors.qzeros;
  if (zeros == nullptr) return "neither qzeros nor scaled_zeros";
  if (llm_awq && tensors.qzeros != nullptr) return "both qzeros and scaled_zeros";
  const std::uint64_t quarter = tensors.qweight->shape[0];
  const std::optional<std::uint64_t> out_features = checked_multiply(quarter, 4);
  const std::optional<std::uint64_t> pitch = checked_multiply(tensors.qweight->shape[1], 2);
  if (!out_features.has_value() || !pitch.has_value()) return "qweight is too large";
  linear.in_features = tensors.qweight->shape[1];
  linear.out_features = *out_features;
  THAW_RETURN_IF_PROBLEM(expect_multiple("input features", linear.in_features, 64));
  std::uint64_t padded = 0;
  THAW_RETURN_IF_PROBLEM(groups_from_config(linear.in_features, config, linear.group_size, padded));
  THAW_RETURN_IF_PROBLEM(
      expect_tensor("scales", *tensors.scales, kScaleDtypes, padded, linear.out_features));
  THAW_RETURN_IF_PROBLEM(expect_tensor(llm_awq ? "scaled_zeros" : "qzeros", *zeros,
                                       {tensors.scales->dtype}, padded, linear.out_features));
  linear.operands[Role::codes] = {
      .tensor = tensors.qweight, .lines = quarter, .pitch = *pitch, .out_features_per_line = 4};
  linear.operands[Role::scales] = {.tensor = tensors.scales,
                                   .lines = linear.in_features / linear.group_size,
                                   .pitch = linear.out_features * element_bytes(*tensors.scales),
                                   .block_rows = 1,
                                   .block_bytes = element_bytes(*tensors.scales)};
  linear.operands[Role::zeros] = linear.operands[Role::scales];
  linear.operands[Role::zeros].tensor = zeros;
  return std::nullopt;
}

}  // namespace

constinit const LayoutReader kAwqGemvFastReader = {
    &kGemvFast, Naming::qweight, "a qweight of 16-bit units", recognises_gemv_fast, describe};
constinit const LayoutReader kLlmAwqV2Reader = {&kLlmAwqV2, Naming::qweight,
                                                "a qweight of 16-bit units, and scaled_zeros",
                                                recognises_llm_awq_v2, describe};

}  // namespace thaw
