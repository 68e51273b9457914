// Names of tensors, as a spec takes them apart.
#include <utility>

#include "model/blocks.h"
#include "model/module_name.h"

namespace thaw {

BlockMember find_block(const ModelSpec& spec, std::string_view tensor) {
  for (const std::string& layers : spec.layers) {
    if (!has_prefix(tensor, layers) || tensor.size() <= layers.size() + 1) continue;
    const std::size_t begin = layers.size() + 1;
    const std::size_t dot = tensor.find('.', begin);
    if (dot == std::string_view::npos || !is_number(tensor.substr(begin, dot - begin))) continue;
    return {tensor.substr(0, dot), tensor.substr(dot + 1)};
  }
  return {};
}

std::string_view spec_module(const ModelSpec& spec, std::string_view member) {
  for (const std::string_view name : {member, without_last_part(member)}) {
    if (name.empty()) continue;
    for (const auto* list : {&spec.linears, &spec.floats}) {
      for (const std::string& pattern : *list) {
        if (matches(pattern, name)) return pattern;
      }
    }
  }
  return {};
}

std::vector<std::string> spellings(const ModelSpec& spec, std::string_view name) {
  const std::vector<std::string>* part = nullptr;
  std::size_t length = 0;  // of the spelling that `name` begins with
  if (const std::string_view block = find_block(spec, name).block; !block.empty()) {
    part = &spec.layers;
    length = without_last_part(block).size();
  } else {
    for (const std::vector<std::string>& list : spec.prefixes) {
      for (const std::string& spelling : list) {
        if (!has_prefix(name, spelling) || spelling.size() < length) continue;
        part = &list;
        length = spelling.size();
      }
    }
  }
  std::vector<std::string> names{std::string(name)};
  if (part == nullptr) return names;
  for (const std::string& spelling : *part) {
    std::string other = spelling;
    other += name.substr(length);
    if (other != name) names.push_back(std::move(other));
  }
  return names;
}

}  // namespace thaw
