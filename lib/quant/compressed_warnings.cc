#include "quant/compressed_warnings.h"

#include "base/text.h"
#include "quant/compressed_groups.h"

namespace thaw {

void CompressedWarnings::note(const QuantizedLinear& linear, bool activations) {
  if (linear.assumed_width) assumed_.note(linear);
  if (activations) activations_.note(linear);
  const ModuleClaims& claims = linear.claims;
  if (claims.unnamed) unnamed_.note(linear);
  if (claims.ignored) ignored_.note(linear);
  if (linear.layout->family == LayoutFamily::scaled) return;  // its grid was asked of the config
  const CompressedGroup own = {claims.bits, claims.group_size, claims.symmetric};
  bool fitting = config_.compressed.empty();
  for (const CompressedGroup& group : config_.compressed) fitting = fitting || fits(group, linear);
  if (!fitting) differing_.note(linear);
  if (fitting && !fits(own, linear)) misnamed_.note(linear);
}

void CompressedWarnings::Count::note(const QuantizedLinear& linear) {
  if (modules++ != 0) return;
  first = printable(linear.module) + ": " + std::to_string(linear.bits) + " bits in groups of " +
          std::to_string(linear.group_size);
}

void CompressedWarnings::add_to(std::vector<std::string>& warnings,
                                std::vector<std::string>& notes) const {
  std::vector<std::string>* to = &warnings;
  const auto add = [&](const Count& count, const std::string& what, const std::string& after) {
    if (count.modules == 0) return;
    to->push_back(what + std::to_string(count.modules) +
                  (count.modules == 1 ? " module (" : " modules (") + count.first + ")" + after);
  };
  add(assumed_, "neither weight_shape nor a config says how wide the codes are in ",
      "; codes of 4 bits are assumed");
  add(differing_, config_.source + " has no group that fits the shapes of ",
      "; the shapes are believed");
  add(misnamed_, config_.source + " has another group for the names than for the shapes of ",
      "; the shapes are believed");
  add(unnamed_, "no target of " + config_.source + " names ", "; the shapes are believed");
  add(ignored_, config_.source + " ignores, by name, ", ", packed all the same; it is read");
  to = &notes;
  add(activations_, "the scales of quantized activations are left out in ", "");
}

}  // namespace thaw
