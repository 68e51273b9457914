#include "model/config_number.h"

#include <algorithm>

namespace thaw {

const json::Node* config_value(const json::Node& config, std::string_view key) {
  const json::Node* node = &config;
  while (node != nullptr && !key.empty()) {
    const std::string_view part = key.substr(0, key.find('.'));
    key.remove_prefix(std::min(key.size(), part.size() + 1));
    node = node->find(part);
  }
  return node == nullptr || node->kind == json::Kind::null ? nullptr : node;
}

std::optional<std::uint64_t> config_number(const json::Node& config,
                                           const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    const json::Node* node = config_value(config, key);
    if (node == nullptr) continue;
    const auto number = node->as_integer();
    if (!number || *number < 0) return std::nullopt;
    return static_cast<std::uint64_t>(*number);
  }
  return std::nullopt;
}

}  // namespace thaw
