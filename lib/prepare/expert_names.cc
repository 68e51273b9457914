#include "prepare/expert_names.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

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

bool contains(const std::vector<std::string>& names, std::string_view one) {
  return std::find(names.begin(), names.end(), one) != names.end();
}

// Whether the spec speaks of it: it lies where the spec has its experts, or is called as one of
// them anyway.
bool is_described(const ModelSpec& spec, const QuantizedLinear& linear) {
  const ExpertForm& form = *spec.experts;
  const std::string_view last = linear.module.substr(linear.module.rfind('.') + 1);
  const BlockMember found = find_block(spec, linear.module);
  if (!found.block.empty() && found.member.starts_with(form.module + ".")) {
    return linear.is_parameter || contains(form.gate, last) || contains(form.up, last) ||
           contains(form.down, last);
  }
  return !form.fused && !linear.is_parameter &&
         (last == form.gate.front() || last == form.up.front() || last == form.down.front());
}

}  // namespace

bool has_quantized_experts(const QuantizedLinears& linears) {
  return std::any_of(linears.linears.begin(), linears.linears.end(), is_expert);
}

std::optional<std::string> warn_of_expert_names(const QuantizedLinears& linears,
                                                const ModelSpec* spec,
                                                std::string_view model_type) {
  const auto is_unknown = [&](const QuantizedLinear& linear) {
    if (!is_expert(linear)) return false;
    return spec == nullptr || !spec->experts || !is_described(*spec, linear);
  };
  const auto first = std::find_if(linears.linears.begin(), linears.linears.end(), is_unknown);
  if (first == linears.linears.end()) return std::nullopt;
  const auto count = std::count_if(linears.linears.begin(), linears.linears.end(), is_unknown);
  return "no model spec says how " +
         (model_type.empty() ? std::string("this architecture") : printable(model_type)) +
         " holds its experts: the names of " + std::to_string(count) +
         " expert weights are the quantizer's and may not be the architecture's (first: " +
         printable(weight_name(*first)) + ")";
}

}  // namespace thaw
