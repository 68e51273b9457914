// MLX, affine: weight U32 [N, ceil(K * bits / 32)], scales and biases [N, K / G].
// Format: specs/mlx.md.
#include <string>

#include "base/bytes.h"
#include "base/text.h"
#include "quant/layouts.h"

namespace thaw {

namespace {

constexpr PackLayout kLayout = {.id = LayoutId::mlx_affine,
                                .family = LayoutFamily::mlx,
                                .name = "mlx_affine",
                                .title = "MLX",
                                .titled_by_width = true};

Problem check_shapes(const ModuleTensors& tensors) {
  const Tensor& codes = *tensors.weight;
  if (codes.shape.size() != 2 || codes.shape[0] == 0 || codes.shape[1] == 0) {
    return "weight: got " + tensor_text(codes) + ", expected two dimensions";
  }
  const Tensor& scales = *tensors.scales;
  if (scales.shape.size() != 2 || scales.shape[0] != codes.shape[0] || scales.shape[1] == 0) {
    return "scales: got " + tensor_text(scales) + ", expected F16 or BF16 or F32 [" +
           std::to_string(codes.shape[0]) + ", groups]";
  }
  return expect_tensor("scales", scales, kScaleDtypes, scales.shape[0], scales.shape[1]);
}

Problem find_sizes(const ModuleTensors& tensors, const QuantConfig& config,
                   QuantizedLinear& linear) {
  const MlxClaim& claim = config.mlx.claim_of(tensors.module);
  if (claim.mode != "affine") {
    return "the mode of the config is " + printable(claim.mode) + ", but scales are " +
           tensor_text(*tensors.scales) + ", as affine has them";
  }
  if (claim.bits == 0 || claim.group_size == 0) {
    return "config.json does not say quantization.bits and quantization.group_size of it, and "
           "shapes do not tell them";
  }
  const auto bits = static_cast<std::uint64_t>(claim.bits);
  linear.bits = static_cast<std::uint32_t>(bits);
  linear.group_size = static_cast<std::uint64_t>(claim.group_size);
  linear.claims.bits = claim.bits;
  linear.claims.group_size = claim.group_size;
  const std::optional<std::uint64_t> inputs =
      checked_multiply(tensors.scales->shape[1], linear.group_size);
  const std::optional<std::uint64_t> code_bits =
      inputs ? checked_multiply(*inputs, bits) : std::nullopt;
  const std::optional<std::uint64_t> word_bits = checked_multiply(tensors.weight->shape[1], 32);
  if (!code_bits || !word_bits) return "its weight would be too large";
  if (*code_bits != *word_bits) {
    return "weight: got " + std::to_string(tensors.weight->shape[1]) + " words a row, expected " +
           std::to_string(divide_up(*code_bits, 32)) + " for " +
           std::to_string(tensors.scales->shape[1]) + " groups of " +
           std::to_string(linear.group_size) + " codes of " + std::to_string(bits) + " bits";
  }
  linear.in_features = *inputs;
  linear.out_features = tensors.weight->shape[0];
  return std::nullopt;
}

Problem describe(const ModuleTensors& tensors, const QuantConfig& config, QuantizedLinear& linear) {
  THAW_RETURN_IF_PROBLEM(check_shapes(tensors));
  const Tensor& scales = *tensors.scales;
  if (tensors.biases == nullptr) return "no biases";
  THAW_RETURN_IF_PROBLEM(
      expect_tensor("biases", *tensors.biases, {scales.dtype}, scales.shape[0], scales.shape[1]));
  THAW_RETURN_IF_PROBLEM(find_sizes(tensors, config, linear));
  const auto by_row = [&](const Tensor& tensor) -> PackedOperand {
    return {.tensor = &tensor,
            .lines = linear.out_features,
            .pitch = tensor.shape[1] * element_bytes(tensor),
            .out_features_per_line = 1};
  };
  linear.operands[Role::codes] = by_row(*tensors.weight);
  linear.operands[Role::scales] = by_row(scales);
  linear.operands[Role::zeros] = by_row(*tensors.biases);
  return std::nullopt;
}

bool recognises(const ModuleTensors&) { return true; }

}  // namespace

constinit const LayoutReader kMlxAffineReader = {
    &kLayout, Naming::mlx, "a weight of U32 and scales", recognises, describe};

}  // namespace thaw
