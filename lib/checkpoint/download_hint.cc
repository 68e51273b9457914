#include "checkpoint/download_hint.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "base/text.h"
#include "checkpoint/hub_cache.h"
#include "checkpoint/names.h"
#include "io/directory.h"

namespace thaw {

namespace {

// Below this many names it is no place of a download.
constexpr std::size_t kMostNames = 10'000;
constexpr int kDeepest = 8;

// How many files a downloader has begun and not ended, in the directory and below.
std::size_t count_unfinished(const std::string& directory, int depth = 0) {
  if (depth > kDeepest || file_kind(directory) != FileKind::directory) return 0;
  const auto entries = list_directory(directory);
  if (!entries.ok() || entries.value().size() > kMostNames) return 0;
  std::size_t count = 0;
  for (const DirectoryEntry& entry : entries.value()) {
    if (entry.kind == FileKind::directory && !entry.link) {
      count += count_unfinished(join_path(directory, entry.name), depth + 1);
    } else if (entry.name.ends_with(".incomplete")) {
      ++count;
    }
  }
  return count;
}

std::size_t count_here(const std::string& directory) {
  std::size_t count = count_unfinished(join_path(directory, ".cache/huggingface/download"));
  const auto entries = list_directory(directory);
  if (!entries.ok()) return count;
  for (const DirectoryEntry& entry : entries.value()) {
    count += entry.name.ends_with(".incomplete") ? 1 : 0;
  }
  return count;
}

}  // namespace

std::string download_hint(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  const std::string directory(slash == std::string_view::npos ? "." : path.substr(0, slash));
  std::string resolved = resolved_path(directory);
  std::size_t unfinished = 0;
  std::string command;
  if (const std::optional<CachedSnapshot> snapshot = snapshot_of(resolved)) {
    command = snapshot->command;
    unfinished = count_unfinished(join_path(snapshot->model, "blobs"));
  } else {
    command = "hf download ORG/NAME --local-dir " + printable(directory);
    unfinished = count_here(directory);
  }
  std::string text;
  if (unfinished != 0) {
    text = "A download has not ended here (" + std::to_string(unfinished) +
           (unfinished == 1 ? " file" : " files") + " *.incomplete). ";
  } else {
    text = "The download may be incomplete. ";
  }
  return text + "Repair the download with: " + command;
}

bool is_lfs_pointer(std::string_view text) {
  return text.starts_with("version https://git-lfs.github.com/spec/") ||
         text.starts_with("version https://hawser.github.com/spec/");
}

}  // namespace thaw
