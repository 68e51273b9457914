// Which files of a model directory hold its weights. specs/checkpoint.md clause 2. Internal.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "io/directory.h"

namespace thaw {

// Of a directory without an index: model.safetensors, or a complete set of
// model-00001-of-00005.safetensors and so on. `entries` are the directory's.
[[nodiscard]] Result<std::vector<std::string>> shards_without_index(
    const std::string& directory, std::span<const DirectoryEntry> entries);

}  // namespace thaw
