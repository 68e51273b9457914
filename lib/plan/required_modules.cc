#include "plan/required_modules.h"

#include <algorithm>

#include "base/text.h"

namespace thaw {

RequiredModules::RequiredModules(const ModelSpec& spec, std::uint64_t layers) : spec_(spec) {
  const auto& optional = spec.optional;
  for (const std::vector<std::string>* modules : {&spec.linears, &spec.floats}) {
    for (const std::string& module : *modules) {
      if (std::find(optional.begin(), optional.end(), module) != optional.end()) continue;
      index_.emplace(module, index_.size());
    }
  }
  for (auto& side : seen_) side.assign(layers, std::vector<bool>(index_.size()));
}

void RequiredModules::note(Side side, std::uint64_t layer, std::string_view module) {
  const auto found = index_.find(module);
  if (found == index_.end()) return;
  auto& layers = seen_[static_cast<std::size_t>(side)];
  if (layer < layers.size()) layers[layer][found->second] = true;
}

void RequiredModules::check(const std::string& base, const std::string& quantized,
                            ErrorList& errors) const {
  const std::string rule = ", which the model spec " + printable(spec_.name) + " names";
  for (std::size_t layer = 0; layer < seen_[0].size(); ++layer) {
    for (const auto& [module, index] : index_) {
      const bool in_base = seen_[0][layer][index];
      const bool in_quantized = seen_[1][layer][index];
      if (in_base) continue;
      std::string what = "layer " + std::to_string(layer) + " has no ";
      what.append(printable(module)).append(rule);
      if (!in_quantized)
        what.append("; nor has the quantized checkpoint ").append(printable(quantized));
      errors.add(fail(ErrorCode::input, Place{base, {}}, what));
    }
  }
}

}  // namespace thaw
