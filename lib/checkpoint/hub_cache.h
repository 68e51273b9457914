// Models in the local cache of the Hugging Face hub. specs/checkpoint.md clause 1. Internal.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace thaw {

// org/name[@revision], every part safe as a part of a path and of a command.
struct HubName {
  std::string org;
  std::string name;
  std::string revision;  // empty: main
};

[[nodiscard]] std::optional<HubName> parse_hub_name(std::string_view text);

// The directory of the model's snapshot. An error that tells how to download it when it is not
// there. Reads nothing but the local disk.
[[nodiscard]] Result<std::string> find_in_hub_cache(const HubName& name);

// The models that have a folder in the cache; none where it has more than `most` entries.
[[nodiscard]] std::vector<HubName> models_in_hub_cache(std::size_t most);

struct CachedSnapshot {
  std::string model;    // the folder of the model: .../models--org--name
  std::string command;  // that downloads this revision of it
};

// What of a cache `directory`, a resolved path, is or lies in; nothing when it is no snapshot.
[[nodiscard]] std::optional<CachedSnapshot> snapshot_of(std::string_view directory);

}  // namespace thaw
