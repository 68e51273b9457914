// Weights of E2M1, two to a byte, in the formats MXFP4 and NVFP4: specs/scaled_elements.md
// clause 2.
#include <algorithm>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "quant/scaled_describer.h"

namespace thaw {

namespace {

constexpr PackLayout kMxfp4 = {
    .id = LayoutId::scaled, .family = LayoutFamily::scaled, .name = "mxfp4", .title = "MXFP4"};
constexpr PackLayout kNvfp4 = {
    .id = LayoutId::scaled, .family = LayoutFamily::scaled, .name = "nvfp4", .title = "NVFP4"};

bool is_exponent(const Tensor& scale) {
  return scale.dtype == Dtype::f8_e8m0 || scale.dtype == Dtype::u8;
}

// Of weight_packed: bytes, not the words of integer codes.
bool holds_bytes(const ModuleTensors& tensors) {
  return tensors.codes().dtype == Dtype::u8 || tensors.codes().dtype == Dtype::i8;
}

bool is_mxfp4(const ModuleTensors& tensors) {
  return holds_bytes(tensors) && is_exponent(*tensors.scale());
}

bool is_nvfp4(const ModuleTensors& tensors) {
  return holds_bytes(tensors) && tensors.scale()->dtype == Dtype::f8_e4m3;
}

Problem describe_mxfp4(const ModuleTensors& tensors, const QuantConfig& config,
                       QuantizedLinear& linear) {
  for (const auto& [tensor, name] : {std::pair{tensors.weight_global_scale, "weight_global_scale"},
                                     std::pair{tensors.weight_scale_2, "weight_scale_2"}}) {
    if (tensor == nullptr) continue;
    return "a " + std::string(name) +
           " beside scales that are exponents, which MXFP4 does not have";
  }
  ScaledDescriber describer(tensors, config, linear);
  THAW_RETURN_IF_PROBLEM(describer.start(SmallFloat::e2m1, 2));
  return describer.groups_of(32);
}

// Of gpt-oss: [experts, rows, blocks, 16 bytes], the scales without the last.
Problem describe_blocks(const ModuleTensors& tensors, const QuantConfig& config,
                        QuantizedLinear& linear) {
  const Tensor& blocks = *tensors.blocks;
  const bool good = blocks.shape.size() == 4 && blocks.shape[3] == 16 &&
                    std::count(blocks.shape.begin(), blocks.shape.end(), 0u) == 0;
  if (!good) {
    return "blocks: got " + tensor_text(blocks) + ", expected [experts, rows, blocks, 16]";
  }
  if (!is_exponent(*tensors.scales)) {
    return "scales: got " + tensor_text(*tensors.scales) + ", expected U8 (exponents)";
  }
  ScaledDescriber describer(tensors, config, linear);
  THAW_RETURN_IF_PROBLEM(describer.start(SmallFloat::e2m1, 2));
  return describer.groups_of(32);
}

// compressed-tensors stores what the scales were multiplied by, ModelOpt what they are to be
// multiplied by.
Problem describe_nvfp4(const ModuleTensors& tensors, const QuantConfig& config,
                       QuantizedLinear& linear) {
  const bool divides = tensors.naming == Naming::weight_packed;
  const char* name = divides ? "weight_global_scale" : "weight_scale_2";
  const Tensor* global = divides ? tensors.weight_global_scale : tensors.weight_scale_2;
  if (global == nullptr) return std::string("no ") + name + ", which every NVFP4 weight needs";
  if (global->dtype != Dtype::f32 || element_count(global->shape) != 1) {
    return std::string(name) + ": got " + tensor_text(*global) + ", expected one number of F32";
  }
  ScaledDescriber describer(tensors, config, linear);
  THAW_RETURN_IF_PROBLEM(describer.start(SmallFloat::e2m1, 2));
  linear.scaled.divides_by_global = divides;
  linear.operands[Role::global_scale] = {.tensor = global, .lines = 1};
  return describer.groups_of(16);
}

bool any(const ModuleTensors& /*tensors*/) { return true; }

}  // namespace

constinit const LayoutReader kMxfp4BlocksReader = {
    &kMxfp4, Naming::blocks, "blocks of bytes and scales that are exponents", any, describe_blocks};
constinit const LayoutReader kMxfp4Reader = {&kMxfp4, Naming::small_floats,
                                             "a weight of bytes and scales that are exponents",
                                             is_mxfp4, describe_mxfp4};
constinit const LayoutReader kMxfp4PackedReader = {
    &kMxfp4, Naming::weight_packed, "a weight_packed of bytes and scales that are exponents",
    is_mxfp4, describe_mxfp4};
constinit const LayoutReader kNvfp4Reader = {&kNvfp4, Naming::small_floats,
                                             "a weight of bytes and scales of F8_E4M3", is_nvfp4,
                                             describe_nvfp4};
constinit const LayoutReader kNvfp4PackedReader = {&kNvfp4, Naming::weight_packed,
                                                   "a weight_packed of bytes and scales of F8_E4M3",
                                                   is_nvfp4, describe_nvfp4};

}  // namespace thaw
