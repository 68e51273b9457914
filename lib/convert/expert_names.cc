#include "convert/expert_names.h"

#include <algorithm>
#include <string_view>

#include "base/text.h"

namespace thaw {

namespace {

// ".experts." and a number, or a parameter of fused experts.
bool is_expert(const QuantizedLinear& linear) {
  if (linear.is_parameter) return true;
  constexpr std::string_view kExperts = "experts.";
  const std::size_t at = linear.module.find(kExperts);
  if (at == std::string_view::npos || (at != 0 && linear.module[at - 1] != '.')) return false;
  const std::size_t digit = at + kExperts.size();
  return digit < linear.module.size() && linear.module[digit] >= '0' && linear.module[digit] <= '9';
}

}  // namespace

bool has_quantized_experts(const QuantizedLinears& linears) {
  return std::any_of(linears.linears.begin(), linears.linears.end(), is_expert);
}

std::optional<std::string> warn_of_expert_names(const QuantizedLinears& linears,
                                                const ModelSpec* spec,
                                                const std::string& model_type) {
  if (spec != nullptr && spec->experts) return std::nullopt;
  const auto first = std::find_if(linears.linears.begin(), linears.linears.end(), is_expert);
  if (first == linears.linears.end()) return std::nullopt;
  const auto count = std::count_if(linears.linears.begin(), linears.linears.end(), is_expert);
  return "no model spec says how " +
         (model_type.empty() ? std::string("this architecture") : printable(model_type)) +
         " holds its experts: the names of " + std::to_string(count) +
         " expert weights are the quantizer's and may not be the architecture's (first: " +
         printable(weight_name(*first)) + ")";
}

}  // namespace thaw
