// What config.json says under a key with dots: "text_config.num_experts".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/node.h"

namespace thaw {

// Null where the config has nothing there.
[[nodiscard]] const json::Node* config_value(const json::Node& config, std::string_view key);

// The number under the first of the keys that it has. Nothing where it has none of them, or no
// number of 0 or more there.
[[nodiscard]] std::optional<std::uint64_t> config_number(const json::Node& config,
                                                         const std::vector<std::string>& keys);

}  // namespace thaw
