// Which linear scales of an activation divide: specs/models.md clause 4.
#include <algorithm>
#include <string>

#include "model/module_name.h"
#include "model/spec.h"

namespace thaw {

namespace {

std::string_view take_part(std::string_view& name) {
  const std::string_view part = name.substr(0, name.find('.'));
  name.remove_prefix(std::min(part.size() + 1, name.size()));
  return part;
}

// `divides` with each '#' replaced by what stands in `member` for the same one of `scales`.
std::string fill_numbers(std::string_view scales, std::string_view member,
                         std::string_view divides) {
  std::string filled;
  while (!divides.empty()) {
    const std::string_view part = take_part(divides);
    if (!filled.empty()) filled += '.';
    if (part != "#") {
      filled += part;
      continue;
    }
    while (!scales.empty()) {
      const std::string_view number = take_part(member);
      if (take_part(scales) != "#") continue;
      filled += number;
      break;
    }
  }
  return filled;
}

}  // namespace

std::string divided_linear(const ModelSpec& spec, std::string_view member) {
  for (const ActivationScales& rule : spec.activation_scales) {
    if (matches(rule.scales, member) && member.find('#') == std::string_view::npos) {
      return fill_numbers(rule.scales, member, rule.divides);
    }
  }
  return {};
}

}  // namespace thaw
