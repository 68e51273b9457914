// What the fuzzer of model specs runs, and what a test runs over its corpus.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/require.h"
#include "model/spec.h"

namespace thaw::fuzz {

inline bool is_one_of(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

inline void run_spec(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<ModelSpec> parsed = parse_model_spec("d/s.json", text);
  if (!parsed.ok()) return check_error(parsed.error());
  const ModelSpec& spec = parsed.value();
  require(spec.name == "s" && spec.file == "d/s.json");
  require(!spec.model_types.empty() && !spec.layers.empty() && !spec.linears.empty());
  for (const ActivationScales& rule : spec.activation_scales) {
    require(is_one_of(spec.linears, rule.divides) && rule.scales.ends_with(".scales"));
  }
  for (const std::string& layers : spec.layers) {
    std::string name = layers;
    name += ".7.";
    name += spec.linears.front();
    const BlockMember member = find_block(spec, name);
    require(!member.block.empty() && !member.member.empty());
    require(member.block.size() + 1 + member.member.size() == name.size());
  }
  for (const std::string& type : spec.model_types) {
    require(find_model_spec({&spec, 1}, type) == &spec);
  }
}

}  // namespace thaw::fuzz
