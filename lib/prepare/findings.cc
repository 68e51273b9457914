#include "prepare/findings.h"

#include <utility>

#include "base/text.h"
#include "prepare/missing_parts.h"

namespace thaw {

namespace {

// The tensors as a float model has them: of a packed module its weight.
std::vector<ModelTensor> float_tensors(const Checkpoint& checkpoint,
                                       const QuantizedLinears& linears) {
  std::vector<ModelTensor> tensors;
  for (const QuantizedLinear& linear : linears.linears) {
    std::string name(linear.module);
    name += name.empty() ? "weight" : ".weight";
    tensors.push_back({std::move(name), {linear.out_features, linear.in_features}, true});
  }
  for (std::size_t i = 0; i < checkpoint.tensors().size(); ++i) {
    if (i < linears.consumed.size() && linears.consumed[i] == 1) continue;
    const Tensor& tensor = checkpoint.tensors()[i];
    tensors.push_back(
        {std::string(tensor.name), {tensor.shape.begin(), tensor.shape.end()}, false});
  }
  return tensors;
}

}  // namespace

std::vector<std::string> find_oddities(const Checkpoint& checkpoint,
                                       const QuantizedLinears& linears, const Checkpoint* base) {
  std::vector<std::string> found(checkpoint.warnings().begin(), checkpoint.warnings().end());
  if (base != nullptr) {
    found.insert(found.end(), base->warnings().begin(), base->warnings().end());
    return found;
  }
  const std::vector<ModelTensor> tensors = float_tensors(checkpoint, linears);
  for (const std::string& part : find_missing_parts(tensors, checkpoint.config())) {
    found.push_back(printable(checkpoint.path()) + ": " + part);
  }
  return found;
}

std::optional<std::string> find_bad_scales(const Checkpoint& checkpoint,
                                           std::span<const ScaleFlaws> flaws) {
  ScaleFlaws sum;
  std::uint64_t modules = 0;
  for (const ScaleFlaws& one : flaws) {
    if (one.not_finite() == 0) continue;
    sum.add(one);
    ++modules;
  }
  if (modules == 0) return std::nullopt;
  std::string line = printable(checkpoint.path()) + ": ";
  if (sum.nan != 0) line += std::to_string(sum.nan) + " NaN ";
  if (sum.nan != 0 && sum.infinite != 0) line += "and ";
  if (sum.infinite != 0) line += std::to_string(sum.infinite) + " infinite ";
  line += sum.not_finite() == 1 ? "scale in " : "scales in ";
  line += modules == 1 ? sum.first : std::to_string(modules) + " modules, first " + sum.first;
  line += ": a failed quantization or a damaged file; the weights that they scale become ";
  if (sum.nan != 0 && sum.infinite != 0) return line + "NaN or infinite";
  return line + (sum.nan != 0 ? "NaN" : "infinite or NaN");
}

Status refuse_findings(const std::vector<std::string>& findings) {
  if (findings.empty()) return {};
  return Status(Error{.code = ErrorCode::input,
                      .messages = findings,
                      .hint = "Without --strict these are warnings.",
                      .left_out = 0});
}

}  // namespace thaw
