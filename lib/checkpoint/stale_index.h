// An index that does not belong to the shards beside it. specs/checkpoint.md clause 3.2.1. Private.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "io/directory.h"

namespace thaw {

// An error where shards that the index names are not there, but a complete set that it does not
// name is. `entries` are the directory's, `shards` the names in the index.
[[nodiscard]] Status check_index_is_fresh(const std::string& directory, const std::string& index,
                                          std::span<const DirectoryEntry> entries,
                                          const std::vector<std::string>& shards);

// What to do about an index that says something else than the shards `shards`, which are there.
[[nodiscard]] std::string index_hint(const std::string& index_path, const std::string& directory,
                                     std::span<const DirectoryEntry> entries,
                                     const std::vector<std::string>& shards);

}  // namespace thaw
