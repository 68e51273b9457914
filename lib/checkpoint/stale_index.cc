#include "checkpoint/stale_index.h"

#include <algorithm>

#include "base/text.h"
#include "checkpoint/download_hint.h"
#include "checkpoint/names.h"
#include "checkpoint/shard_set.h"

namespace thaw {

Status check_index_is_fresh(const std::string& directory, const std::string& index,
                            std::span<const DirectoryEntry> entries,
                            const std::vector<std::string>& shards) {
  const auto is_there = [&](const std::string& name) {
    return std::any_of(entries.begin(), entries.end(),
                       [&](const DirectoryEntry& entry) { return entry.name == name; });
  };
  const auto missing = std::find_if_not(shards.begin(), shards.end(), is_there);
  if (missing == shards.end()) return {};
  const auto others = shards_without_index(directory, entries, {});
  if (!others.ok()) return {};
  const std::vector<std::string>& set = others.value();
  const bool all_named = std::all_of(set.begin(), set.end(), [&](const std::string& name) {
    return std::find(shards.begin(), shards.end(), name) != shards.end();
  });
  if (all_named) return {};
  const std::string path = join_path(directory, index);
  return fail(
      ErrorCode::input, {.file = path, .tensor = {}},
      "is stale: it names " + printable(*missing) + ", which is not there, but not " +
          printable(set.front()) + (set.size() > 1 ? " and the other shards" : "") +
          ", which form a complete set",
      "Remove the index, and the shards that are there are read without it: rm " + printable(path));
}

std::string index_hint(const std::string& index_path, const std::string& directory,
                       std::span<const DirectoryEntry> entries,
                       const std::vector<std::string>& shards) {
  const std::string begin = "The index does not belong to these shards. ";
  auto without = shards_without_index(directory, entries, {});
  std::vector<std::string> sorted(shards);
  std::sort(sorted.begin(), sorted.end());
  if (without.ok()) {
    std::sort(without.value().begin(), without.value().end());
    if (without.value() == sorted) {
      return begin + "If they are the whole model, remove it, and they are read without it: rm " +
             printable(index_path) + ". Else: " + download_hint(index_path);
    }
  }
  return begin + download_hint(index_path);
}

}  // namespace thaw
