// bitsandbytes, LLM.int8: weight I8 [N, K], SCB F32 [N], weight_format U8 or none.
// Format: specs/bitsandbytes.md.
#include <string>

#include "quant/content.h"
#include "quant/layouts.h"

namespace thaw {

namespace {

constexpr PackLayout kLayout = {.id = LayoutId::bnb_int8,
                                .family = LayoutFamily::bitsandbytes,
                                .name = "bnb_int8",
                                .title = "bitsandbytes int8"};

// The order that a weight is stored in: rows, or one that a GPU wanted.
Problem check_format(const ModuleTensors& tensors) {
  if (tensors.weight_format == nullptr) return std::nullopt;
  const Tensor& format = *tensors.weight_format;
  if (format.dtype != Dtype::u8 || element_count(format.shape) != 1) {
    return "weight_format: got " + tensor_text(format) + ", expected one U8";
  }
  unsigned value = 0;
  const Status read = with_content(
      *tensors.checkpoint, format,
      [&](std::span<const std::byte> bytes) { value = static_cast<unsigned>(bytes[0]); });
  if (!read.ok()) return read.error().messages.front();
  if (value == 0) return std::nullopt;
  return "weight_format: got " + std::to_string(value) +
         ", expected 0, rows; in the others the weight is tiled for a GPU";
}

Problem describe(const ModuleTensors& tensors, const QuantConfig&, QuantizedLinear& linear) {
  const Tensor& codes = *tensors.weight;
  if (codes.shape.size() != 2 || codes.shape[0] == 0 || codes.shape[1] == 0) {
    return "weight: got " + tensor_text(codes) + ", expected two dimensions";
  }
  const Tensor& scales = *tensors.scb;
  if (scales.dtype != Dtype::f32 || scales.shape.size() != 1 || scales.shape[0] != codes.shape[0]) {
    return "SCB: got " + tensor_text(scales) + ", expected F32 [" + std::to_string(codes.shape[0]) +
           "]";
  }
  THAW_RETURN_IF_PROBLEM(check_format(tensors));
  linear.claims = {};  // the config says nothing of bits and groups
  linear.bits = 8;
  linear.out_features = codes.shape[0];
  linear.in_features = linear.group_size = codes.shape[1];
  linear.operands[Role::codes] = {.tensor = &codes,
                                  .lines = codes.shape[0],
                                  .pitch = codes.shape[1],
                                  .out_features_per_line = 1};
  linear.operands[Role::scales] = {
      .tensor = &scales, .lines = codes.shape[0], .pitch = 4, .out_features_per_line = 1};
  return std::nullopt;
}

bool recognises(const ModuleTensors&) { return true; }

}  // namespace

constinit const LayoutReader kBnbInt8Reader = {&kLayout, Naming::bnb_int8, "a weight of I8 and SCB",
                                               recognises, describe};

}  // namespace thaw
