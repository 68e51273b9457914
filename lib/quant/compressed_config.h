// The configs of compressed-tensors. Internal to lib/quant.
// Format: specs/compressed_tensors.md clause 6.
#pragma once

#include <string_view>
#include <vector>

#include "base/status.h"
#include "json/node.h"
#include "quant/config.h"
#include "quant/config_places.h"

namespace thaw {

inline constexpr std::string_view kCompressedMethod = "compressed-tensors";
inline constexpr std::string_view kPackQuantized = "pack-quantized";

// By its method, or where none is said by its config_groups.
[[nodiscard]] bool is_compressed_config(const json::Node& config);

// The groups of an object whose packing is read, in their order. Adds to `errors` what is wrong
// with them, and what is refused by name.
[[nodiscard]] std::vector<CompressedGroup> read_compressed_config(const ConfigPlace& place,
                                                                  ErrorList& errors);

}  // namespace thaw
