// Weights of float8: specs/scaled_elements.md clause 2.
#include "quant/scaled_describer.h"

namespace thaw {

namespace {

constexpr PackLayout kE4m3 = {.id = LayoutId::scaled,
                              .family = LayoutFamily::scaled,
                              .name = "float8_e4m3",
                              .title = "float8 E4M3"};
constexpr PackLayout kE5m2 = {.id = LayoutId::scaled,
                              .family = LayoutFamily::scaled,
                              .name = "float8_e5m2",
                              .title = "float8 E5M2"};

Problem check_scale_type(const ModuleTensors& tensors) {
  const Tensor& scale = *tensors.scale();
  switch (scale.dtype) {
    case Dtype::f16:
    case Dtype::bf16:
    case Dtype::f32:
    case Dtype::f8_e8m0:
    case Dtype::u8:
      return std::nullopt;
    default:
      return "its scales: got " + tensor_text(scale) +
             ", expected F16, BF16, F32, F8_E8M0 or U8 (exponents)";
  }
}

template <SmallFloat kElement>
Problem describe(const ModuleTensors& tensors, const QuantConfig& config, QuantizedLinear& linear) {
  THAW_RETURN_IF_PROBLEM(check_scale_type(tensors));
  if (tensors.weight_scale_2 != nullptr) {
    return "a weight_scale_2 beside it, which float8 does not have: got " +
           tensor_text(*tensors.weight_scale_2);
  }
  ScaledDescriber describer(tensors, config, linear);
  THAW_RETURN_IF_PROBLEM(describer.start(kElement, 1));
  linear.scaled.divides_by_scale = config.scaled.inverse;
  return describer.any_grid();
}

template <Dtype kDtype>
bool recognises(const ModuleTensors& tensors) {
  return tensors.weight->dtype == kDtype;
}

}  // namespace

constinit const LayoutReader kFloat8E4m3Reader = {
    &kE4m3, Naming::small_floats, "a weight of F8_E4M3 and scales", recognises<Dtype::f8_e4m3>,
    describe<SmallFloat::e4m3>};
constinit const LayoutReader kFloat8E5m2Reader = {
    &kE5m2, Naming::small_floats, "a weight of F8_E5M2 and scales", recognises<Dtype::f8_e5m2>,
    describe<SmallFloat::e5m2>};

}  // namespace thaw
