// AWQ Marlin: qweight I32 [K/16, 2 * N], scales [K/G, N] with permuted columns, no zeros (8).
// Format: specs/awq.md clause 6.
#include "base/bytes.h"
#include "quant/layouts.h"

namespace thaw {

namespace {

constexpr std::uint64_t kChunk = 64;  // the rows that permute among themselves

constexpr PackLayout kLayout = {.id = LayoutId::awq_marlin,
                                .name = "awq_marlin",
                                .title = "AWQ Marlin",
                                .row_block = kChunk,
                                .row_step = 2 * kChunk,  // four of them: 4 KiB of a line
                                .columns_strided = true};

bool recognises(const ModuleTensors& tensors) {
  const std::uint64_t words = tensors.qweight->shape[1];
  return tensors.qweight->dtype == Dtype::i32 && tensors.qzeros == nullptr && words % 2 == 0 &&
         words / 2 == tensors.scales->shape[1];
}

Problem describe(const ModuleTensors& tensors, const QuantConfig&, QuantizedLinear& linear) {
  const std::uint64_t lines = tensors.qweight->shape[0];
  const std::uint64_t groups = tensors.scales->shape[0];
  const std::optional<std::uint64_t> in_features = checked_multiply(lines, 16);
  const std::optional<std::uint64_t> pitch = checked_multiply(tensors.qweight->shape[1], 4);
  if (!in_features.has_value() || !pitch.has_value()) return "qweight is too large";
  linear.in_features = *in_features;
  linear.out_features = tensors.scales->shape[1];
  THAW_RETURN_IF_PROBLEM(expect_multiple("output features", linear.out_features, kChunk));
  THAW_RETURN_IF_PROBLEM(groups_from_rows(linear.in_features, groups, linear.group_size));
  THAW_RETURN_IF_PROBLEM(
      expect_tensor("scales", *tensors.scales, kScaleDtypes, groups, linear.out_features));
  linear.operands[Role::codes] = {.tensor = tensors.qweight,
                                  .lines = lines,
                                  .pitch = *pitch,
                                  .block_rows = kChunk,
                                  .block_bytes = kChunk * 8};
  linear.operands[Role::scales] = {.tensor = tensors.scales,
                                   .lines = groups,
                                   .pitch = linear.out_features * element_bytes(*tensors.scales),
                                   .block_rows = kChunk,
                                   .block_bytes = kChunk * element_bytes(*tensors.scales)};
  return std::nullopt;
}

}  // namespace

constinit const LayoutReader kAwqMarlinReader = {
    &kLayout, Naming::qweight, "two words of qweight for a column of scales, no qzeros", recognises,
    describe};

}  // namespace thaw
