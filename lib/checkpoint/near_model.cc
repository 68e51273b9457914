#include "checkpoint/near_model.h"

#include <algorithm>
#include <vector>

#include "base/nearest.h"
#include "base/text.h"
#include "checkpoint/hub_cache.h"
#include "checkpoint/names.h"
#include "io/directory.h"

namespace thaw {

namespace {

// Beyond so many names a directory is no place of models, and comparing takes time.
constexpr std::size_t kMostNames = 10'000;

// The path whose last name, and whose first names too, are those that are there or the nearest to
// them; empty when there is none.
std::string near_path(const std::string& path) {
  std::string found = path.starts_with('/') ? "/" : "";
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string name = path.substr(at, end - at);
    at = end + 1;
    if (name.empty()) continue;
    const std::string exact = found + name;
    if (exists(exact)) {
      found = exact + "/";
      continue;
    }
    const auto entries = list_directory(found.empty() ? "." : found);
    if (!entries.ok() || entries.value().size() > kMostNames) return {};
    const bool last = path.find_first_not_of('/', end) == std::string::npos;
    std::vector<std::string> names;
    for (const DirectoryEntry& entry : entries.value()) {
      const bool file =
          last && entry.kind == FileKind::regular && entry.name.ends_with(kWeightEnding);
      if (entry.kind == FileKind::directory || file) names.push_back(entry.name);
    }
    const std::vector<std::string> near = nearest_words(name, names);
    if (near.empty()) return {};
    found += near.front() + "/";
  }
  if (found.size() > 1 && found.ends_with('/')) found.pop_back();
  return found;
}

// As org/name, without a revision. A name alone is compared with names alone.
std::string near_hub_name(const std::string& model) {
  const std::string asked = model.substr(0, model.find('@'));
  const bool alone = asked.find('/') == std::string::npos;
  std::vector<std::string> known;
  std::vector<std::string> whole;
  for (const HubName& name : models_in_hub_cache(kMostNames)) {
    whole.push_back(name.org + "/" + name.name);
    known.push_back(alone ? name.name : whole.back());
  }
  const std::vector<std::string> near = nearest_words(asked, known);
  for (std::size_t i = 0; i < known.size() && !near.empty(); ++i) {
    if (known[i] == near.front()) return whole[i];
  }
  return {};
}

}  // namespace

std::string near_model(const std::string& model) {
  std::string near = near_path(model);
  if (near.empty()) near = near_hub_name(model);
  if (near.empty() || near == model) return {};
  return "Did you mean " + printable(near) + "? ";
}

}  // namespace thaw
