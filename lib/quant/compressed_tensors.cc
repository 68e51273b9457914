#include "quant/compressed_tensors.h"

#include <array>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "quant/compressed_module.h"
#include "quant/module_tensors.h"

namespace thaw {

namespace {

// How a server would quantize what goes into or comes out of the linear: no part of the weight.
constexpr std::array<std::string_view, 5> kActivations = {
    "input_scale", "input_zero_point", "input_global_scale", "output_scale", "output_zero_point"};

}  // namespace

Status CompressedReader::add(const Tensor& packed, QuantizedLinears& result) {
  const CompressedModule module = find_compressed_module(checkpoint_, *packed_weight(packed));
  QuantizedLinear linear;
  bool assumed = false;
  if (const Problem problem = describe_compressed(checkpoint_, module, config_, linear, assumed)) {
    return fail(ErrorCode::input, Place{checkpoint_.file_of(packed), module.name},
                "compressed-tensors: " + *problem + " (" + module_text(module) + ")");
  }
  const auto consume = [&](const Tensor* tensor) {
    if (tensor == nullptr) return false;
    result.consumed[static_cast<std::size_t>(tensor - checkpoint_.tensors().data())] = 1;
    return true;
  };
  for (const Tensor* tensor :
       {module.packed, module.scale, module.zero_point, module.shape, module.g_idx}) {
    (void)consume(tensor);
  }
  bool activations = false;
  for (const std::string_view suffix : kActivations) {
    activations = consume(find_in_module(checkpoint_, module.name, suffix)) || activations;
  }

  if (assumed) note(assumed_, linear);
  if (activations) note(activations_, linear);
  const ModuleClaims& claims = linear.claims;
  const CompressedGroup own = {claims.bits, claims.group_size, claims.symmetric};
  bool fitting = config_.compressed.empty();
  for (const CompressedGroup& group : config_.compressed) fitting = fitting || fits(group, linear);
  if (!fitting) note(differing_, linear);
  if (fitting && !fits(own, linear)) note(misnamed_, linear);
  if (claims.unnamed) note(unnamed_, linear);
  if (claims.ignored) note(ignored_, linear);
  result.linears.push_back(linear);
  return {};
}

void CompressedReader::note(Count& count, const QuantizedLinear& linear) {
  if (count.modules++ != 0) return;
  count.first = printable(linear.module) + ": " + std::to_string(linear.bits) +
                " bits in groups of " + std::to_string(linear.group_size);
}

void CompressedReader::warn(std::vector<std::string>& warnings) const {
  const auto add = [&](const Count& count, const std::string& what, const std::string& after) {
    if (count.modules == 0) return;
    warnings.push_back(what + std::to_string(count.modules) +
                       (count.modules == 1 ? " module (" : " modules (") + count.first + ")" +
                       after);
  };
  add(assumed_, "neither weight_shape nor a config says how wide the codes are in ",
      "; codes of 4 bits are assumed");
  add(differing_, config_.source + " has no group that fits the shapes of ",
      "; the shapes are believed");
  add(misnamed_, config_.source + " has another group for the names than for the shapes of ",
      "; the shapes are believed");
  add(unnamed_, "no target of " + config_.source + " names ", "; the shapes are believed");
  add(ignored_, config_.source + " ignores, by name, ", ", packed all the same; it is read");
  add(activations_, "the scales of quantized activations are left out in ", "");
}

}  // namespace thaw
