// ModelOpt, W4A16_AWQ and W4A8_AWQ: weight U8 [N / 2, K], weight_scale [N, groups], pre_quant_scale
// [K] or none. Format: specs/modelopt_int4.md.
#include <string>

#include "base/bytes.h"
#include "quant/layouts.h"

namespace thaw {

namespace {

constexpr PackLayout kLayout = {.id = LayoutId::modelopt_int4,
                                .family = LayoutFamily::modelopt,
                                .name = "modelopt_int4",
                                .title = "ModelOpt int4",
                                .row_block = 2,
                                .row_step = 2};

Problem check_factors(const Tensor& factors, std::uint64_t columns) {
  const bool floats = is_output_dtype(factors.dtype);
  if (floats && factors.shape.size() == 1 && factors.shape[0] == columns) return std::nullopt;
  return "pre_quant_scale: got " + tensor_text(factors) + ", expected F16, BF16 or F32 [" +
         std::to_string(columns) + "]";
}

Problem describe(const ModuleTensors& tensors, const QuantConfig&, QuantizedLinear& linear) {
  const Tensor& codes = *tensors.weight;
  const Tensor& scales = *tensors.weight_scale;
  linear.claims = {};  // the config says nothing that the shapes do not
  linear.bits = 4;
  linear.in_features = codes.shape[1];
  linear.out_features = codes.shape[0] * 2;
  THAW_RETURN_IF_PROBLEM(
      expect_tensor("weight_scale", scales, kScaleDtypes, linear.out_features, scales.shape[1]));
  THAW_RETURN_IF_PROBLEM(groups_from_rows(linear.in_features, scales.shape[1], linear.group_size));
  linear.operands[Role::codes] = {.tensor = &codes,
                                  .lines = codes.shape[0],
                                  .pitch = codes.shape[1],
                                  .out_features_per_line = 2};
  linear.operands[Role::scales] = {.tensor = &scales,
                                   .lines = linear.out_features,
                                   .pitch = scales.shape[1] * element_bytes(scales),
                                   .out_features_per_line = 1};
  if (tensors.pre_quant_scale == nullptr) return std::nullopt;
  THAW_RETURN_IF_PROBLEM(check_factors(*tensors.pre_quant_scale, linear.in_features));
  linear.operands[Role::global_scale] = {.tensor = tensors.pre_quant_scale, .lines = 1};
  return std::nullopt;
}

bool recognises(const ModuleTensors&) { return true; }

}  // namespace

constinit const LayoutReader kModelOptInt4Reader = {
    &kLayout, Naming::paired_rows, "a weight of bytes, half as many rows as its scales", recognises,
    describe};

}  // namespace thaw
