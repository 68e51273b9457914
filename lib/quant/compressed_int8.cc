// compressed-tensors, int-quantized: weight I8 [N, K], weight_scale [N, G], [N] or [1],
// weight_zero_point I8 or none. Format: specs/compressed_tensors.md clause 8.
#include "quant/compressed_describer.h"

namespace thaw {

namespace {

constexpr PackLayout kLayout = {.id = LayoutId::ct_int8,
                                .family = LayoutFamily::compressed_tensors,
                                .name = "ct_int8",
                                .title = "compressed-tensors int8"};

class Describer : CompressedDescriber {
 public:
  Describer(const ModuleTensors& module, const QuantConfig& config, QuantizedLinear& linear)
      : CompressedDescriber(module, config, linear) {}

  Problem run() {
    linear_.bits = 8;  // as they are stored, also where the config says 4
    linear_.in_features = module_.weight->shape.back();
    THAW_RETURN_IF_PROBLEM(start());
    return finish(linear_.in_features);
  }
};

bool recognises(const ModuleTensors& tensors) { return tensors.weight->dtype == Dtype::i8; }

Problem describe(const ModuleTensors& tensors, const QuantConfig& config, QuantizedLinear& linear) {
  return Describer(tensors, config, linear).run();
}

}  // namespace

constinit const LayoutReader kCompressedInt8Reader = {
    &kLayout, Naming::scaled_weight, "a weight of I8 and weight_scale", recognises, describe};

}  // namespace thaw
