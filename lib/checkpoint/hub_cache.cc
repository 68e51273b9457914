#include "checkpoint/hub_cache.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/text.h"
#include "checkpoint/names.h"
#include "checkpoint/near_model.h"
#include "io/directory.h"

namespace thaw {

namespace {

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

// One part of a path: never "..", an option or hidden.
bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= 96 && text.front() != '.' && text.front() != '-' &&
         std::all_of(text.begin(), text.end(), is_word_character);
}

// The hub forbids "--" in names, which separates the parts of a folder's name in the cache.
bool is_name(std::string_view text) {
  return is_word(text) && text.find("--") == std::string_view::npos &&
         text.find("..") == std::string_view::npos;
}

// A branch may hold slashes: refs/pr/1.
bool is_revision(std::string_view text) {
  while (true) {
    const std::size_t slash = text.find('/');
    if (!is_word(text.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    text.remove_prefix(slash + 1);
  }
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string expand_home(const std::string& path) {
  if (path == "~" || path.substr(0, 2) == "~/") return environment("HOME") + path.substr(1);
  return path;
}

// As huggingface_hub's constants.py.
std::string cache_directory() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    const std::string value = environment(name);
    if (!value.empty()) return expand_home(value);
  }
  const std::string home = environment("HF_HOME");
  if (!home.empty()) return join_path(expand_home(home), "hub");
  const std::string cache = environment("XDG_CACHE_HOME");
  return join_path(cache.empty() ? expand_home("~/.cache") : expand_home(cache), "huggingface/hub");
}

std::string download_command(const std::string& id, const std::string& revision) {
  return "hf download " + id + (revision.empty() ? "" : " --revision " + revision);
}

Status fail_miss(const HubName& name, const std::string& what, const std::string& near = {}) {
  const std::string id = name.org + "/" + name.name;
  return fail(ErrorCode::input, {.file = id, .tensor = {}}, what,
              near + "Download it first: " + download_command(id, name.revision));
}

}  // namespace

std::optional<HubName> parse_hub_name(std::string_view text) {
  HubName parsed;
  const std::size_t at = text.find('@');
  if (at != std::string_view::npos) {
    parsed.revision = text.substr(at + 1);
    if (!is_revision(parsed.revision)) return std::nullopt;
    text = text.substr(0, at);
  }
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  parsed.org = text.substr(0, slash);
  parsed.name = text.substr(slash + 1);
  if (!is_name(parsed.org) || !is_name(parsed.name)) return std::nullopt;
  return parsed;
}

Result<std::string> find_in_hub_cache(const HubName& name) {
  const std::string cache = cache_directory();
  const std::string model = join_path(cache, "models--" + name.org + "--" + name.name);
  if (file_kind(model) != FileKind::directory) {
    return fail_miss(
        name, "no such file or directory, and not in the Hugging Face cache at " + printable(cache),
        near_model(name.org + "/" + name.name));
  }
  const std::string revision = name.revision.empty() ? "main" : name.revision;
  const std::string snapshots = join_path(model, "snapshots");
  const std::string reference = join_path(join_path(model, "refs"), revision);
  std::string commit = revision;
  if (file_kind(reference) == FileKind::regular) {
    constexpr std::uint64_t kLongestReference = 4096;
    THAW_ASSIGN_OR_RETURN(commit, read_file(real_file_system(), reference, kLongestReference));
    while (!commit.empty() &&
           (commit.back() == '\n' || commit.back() == '\r' || commit.back() == ' ')) {
      commit.pop_back();
    }
    if (!is_word(commit)) {
      return fail(ErrorCode::input, {.file = reference, .tensor = {}}, "the commit",
                  in_quotes(commit), "the name of a snapshot");
    }
  }
  const bool plain = commit.find('/') == std::string::npos;
  std::string snapshot = join_path(snapshots, commit);
  if (!plain || file_kind(snapshot) != FileKind::directory) {
    return fail_miss(
        name, "revision " + revision + " is not in the Hugging Face cache at " + printable(cache));
  }
  return snapshot;
}

std::vector<HubName> models_in_hub_cache(std::size_t most) {
  constexpr std::string_view kModels = "models--";
  const auto entries = list_directory(cache_directory());
  if (!entries.ok() || entries.value().size() > most) return {};
  std::vector<HubName> names;
  for (const DirectoryEntry& entry : entries.value()) {
    if (!entry.name.starts_with(kModels)) continue;
    const std::string_view id = std::string_view(entry.name).substr(kModels.size());
    const std::size_t dashes = id.find("--");
    if (dashes == std::string_view::npos) continue;
    HubName name{std::string(id.substr(0, dashes)), std::string(id.substr(dashes + 2)), {}};
    if (is_name(name.org) && is_name(name.name)) names.push_back(std::move(name));
  }
  return names;
}

std::optional<CachedSnapshot> snapshot_of(std::string_view directory) {
  constexpr std::string_view kModels = "models--";
  constexpr std::string_view kSnapshots = "/snapshots/";
  const std::size_t snapshots = directory.rfind(kSnapshots);
  if (snapshots == std::string_view::npos) return std::nullopt;
  const std::size_t folder = directory.rfind('/', snapshots == 0 ? 0 : snapshots - 1) + 1;
  std::string_view id = directory.substr(folder, snapshots - folder);
  if (id.substr(0, kModels.size()) != kModels) return std::nullopt;
  id.remove_prefix(kModels.size());
  const std::size_t dashes = id.find("--");
  if (dashes == std::string_view::npos) return std::nullopt;
  const std::string_view after = directory.substr(snapshots + kSnapshots.size());
  const HubName name{std::string(id.substr(0, dashes)), std::string(id.substr(dashes + 2)),
                     std::string(after.substr(0, after.find('/')))};
  if (!is_name(name.org) || !is_name(name.name) || !is_word(name.revision)) return std::nullopt;
  return CachedSnapshot{std::string(directory.substr(0, snapshots)),
                        download_command(name.org + "/" + name.name, name.revision)};
}

}  // namespace thaw
