// Which files of a model directory hold its weights. specs/checkpoint.md clause 2. Internal.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "io/directory.h"

namespace thaw {

// <stem>-<number>-of-<count>.safetensors
struct NumberedName {
  std::string_view stem;
  std::uint32_t number = 0;
  std::uint32_t count = 0;
};
[[nodiscard]] std::optional<NumberedName> parse_numbered(std::string_view name);

// The index that names the shards: model.safetensors.index.json, else the only one of another
// model's name, such as gptq_model-4bit-128g.safetensors.index.json, unless model.safetensors is
// there. Empty: there is none.
[[nodiscard]] std::string index_name(std::span<const DirectoryEntry> entries);

// Of a directory without an index: model.safetensors, or a complete set of
// model-00001-of-00005.safetensors and so on; beside a config, also the one file or set of another
// name, `base_name` (of quantize_config.json) before others. `entries` are the directory's.
[[nodiscard]] Result<std::vector<std::string>> shards_without_index(
    const std::string& directory, std::span<const DirectoryEntry> entries,
    std::string_view base_name);

}  // namespace thaw
