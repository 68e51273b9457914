// The configs of compressed-tensors. Internal to lib/quant.
// Format: specs/compressed_tensors.md clause 6.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "json/node.h"
#include "quant/config.h"
#include "quant/config_places.h"

namespace thaw {

inline constexpr std::string_view kCompressedMethod = "compressed-tensors";
inline constexpr std::string_view kPackQuantized = "pack-quantized";
inline constexpr std::string_view kIntQuantized = "int-quantized";
inline constexpr std::string_view kFloatQuantized = "float-quantized";
inline constexpr std::string_view kNaiveQuantized = "naive-quantized";  // of old releases

// By its method, or where none is said by its config_groups.
[[nodiscard]] bool is_compressed_config(const json::Node& config);

struct CompressedConfig {
  std::vector<CompressedGroup> groups;  // those whose packing is read, in their order
  Targets targets;
};

// Adds to `errors` what is wrong with them, and what is refused by name; to `warnings` what is not
// understood and not needed.
[[nodiscard]] CompressedConfig read_compressed_config(const ConfigPlace& place, ErrorList& errors,
                                                      std::vector<std::string>& warnings);

}  // namespace thaw
