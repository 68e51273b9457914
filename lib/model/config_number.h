// A number of config.json under the first of some keys that it has.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "json/node.h"

namespace thaw {

// Keys with dots lie within objects: "text_config.num_experts". Nothing where it has none of them,
// or no number of 0 or more there.
[[nodiscard]] std::optional<std::uint64_t> config_number(const json::Node& config,
                                                         const std::vector<std::string>& keys);

}  // namespace thaw
