#include "model/config_number.h"

#include <string_view>

namespace thaw {

std::optional<std::uint64_t> config_number(const json::Node& config,
                                           const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    const json::Node* node = &config;
    for (std::string_view rest = key; node != nullptr && !rest.empty();) {
      const std::size_t dot = rest.find('.');
      node = node->find(rest.substr(0, dot));
      rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
    }
    if (node == nullptr || node->kind == json::Kind::null) continue;
    const auto number = node->as_integer();
    if (!number || *number < 0) return std::nullopt;
    return static_cast<std::uint64_t>(*number);
  }
  return std::nullopt;
}

}  // namespace thaw
