// AWQ GEMM: qweight I32 [K, N/8], qzeros I32 [K/G, N/8] or absent, scales [K/G, N].
// Format: specs/awq.md clause 3.
#include "quant/layouts.h"

namespace thaw {

namespace {

constexpr PackLayout kLayout = {.id = LayoutId::awq_gemm,
                                .name = "awq_gemm",
                                .title = "AWQ GEMM",
                                .row_block = 8,
                                .row_step = 128,  // 16 words, a cache line of qweight
                                .columns_strided = true};

bool recognises(const ModuleTensors& tensors) {
  // As many scales as qweight rows would be groups of one element, which nobody writes: that is a
  // GEMV module whose qzeros are missing.
  const std::uint64_t columns = tensors.scales->shape[1];
  return tensors.qweight->dtype == Dtype::i32 && columns % 8 == 0 &&
         columns / 8 == tensors.qweight->shape[1] &&
         tensors.scales->shape[0] < tensors.qweight->shape[0];
}

Problem describe(const ModuleTensors& tensors, const QuantConfig&, QuantizedLinear& linear) {
  const std::uint64_t words = tensors.qweight->shape[1];
  const std::uint64_t groups = tensors.scales->shape[0];
  linear.in_features = tensors.qweight->shape[0];
  linear.out_features = tensors.scales->shape[1];
  THAW_RETURN_IF_PROBLEM(groups_from_rows(linear.in_features, groups, linear.group_size));
  THAW_RETURN_IF_PROBLEM(
      expect_tensor("scales", *tensors.scales, kScaleDtypes, groups, linear.out_features));
  if (tensors.qzeros != nullptr) {
    THAW_RETURN_IF_PROBLEM(expect_tensor("qzeros", *tensors.qzeros, {Dtype::i32}, groups, words));
    linear.operands[Role::zeros] = {.tensor = tensors.qzeros,
                                    .lines = groups,
                                    .pitch = words * 4,
                                    .block_rows = 8,
                                    .block_bytes = 4};
  }
  linear.operands[Role::codes] = {.tensor = tensors.qweight,
                                  .lines = linear.in_features,
                                  .pitch = words * 4,
                                  .block_rows = 8,
                                  .block_bytes = 4};
  linear.operands[Role::scales] = {.tensor = tensors.scales,
                                   .lines = groups,
                                   .pitch = linear.out_features * element_bytes(*tensors.scales),
                                   .block_rows = 1,
                                   .block_bytes = element_bytes(*tensors.scales)};
  return std::nullopt;
}

}  // namespace

constinit const LayoutReader kAwqGemmReader = {
    &kLayout, Naming::qweight, "8 columns of scales for a word of qweight", recognises, describe};

}  // namespace thaw
