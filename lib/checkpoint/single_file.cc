#include "checkpoint/single_file.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/text.h"
#include "checkpoint/header.h"
#include "checkpoint/index.h"
#include "checkpoint/names.h"
#include "checkpoint/shard_set.h"
#include "io/directory.h"
#include "io/mapped_file.h"

namespace thaw {

namespace {

Status fail_part(const std::string& directory, const std::string& file, const std::string& why) {
  const std::string path = join_path(directory, file);
  return fail(ErrorCode::input, {.file = path, .tensor = {}},
              "is one shard of several (" + why + "), not a whole model",
              "Pass the directory as MODEL: " + printable(directory) +
                  ". Or add --this-file-only to take this file alone.");
}

// How many shards the index names, if `file` is one of them.
std::size_t shards_with(FileSystem& file_system, const std::string& path, const std::string& file) {
  if (file_kind(path) != FileKind::regular) return 0;
  const Result<MappedFile> index = MappedFile::open(file_system, path);
  if (!index.ok() || index.value().size() > kLongestHeader) return 0;
  const std::span<const std::byte> bytes = index.value().bytes();
  const auto names =
      shards_of_index(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!names.ok()) return 0;
  const std::vector<std::string>& all = names.value();
  return std::find(all.begin(), all.end(), file) == all.end() ? 0 : all.size();
}

}  // namespace

Status check_is_whole(FileSystem& file_system, const std::string& directory,
                      const std::string& file) {
  const std::optional<NumberedName> numbered = parse_numbered(file);
  if (numbered && numbered->count > 1) {
    return fail_part(directory, file,
                     std::to_string(numbered->number) + " of " + std::to_string(numbered->count));
  }
  const std::size_t shards = shards_with(file_system, join_path(directory, kIndexName), file);
  if (shards < 2) return {};
  return fail_part(directory, file, std::string(kIndexName) + " names " + std::to_string(shards));
}

std::vector<std::string> companions_of_file(const std::string& directory) {
  constexpr std::array<std::string_view, 13> kBeginnings = {
      "tokenizer",     "vocab",          "merges",         "special_tokens", "added_tokens",
      "chat_template", "generation_con", "preprocessor_c", "processor_con",  "image_processor",
      "video_preproc", "tekken",         "spiece"};
  std::vector<std::string> names;
  const auto entries = list_directory(directory);
  if (!entries.ok()) return names;
  for (const DirectoryEntry& entry : entries.value()) {
    if (entry.kind != FileKind::regular || name_flaw(entry.name)) continue;
    if (std::any_of(kBeginnings.begin(), kBeginnings.end(), [&](std::string_view beginning) {
          return entry.name.starts_with(beginning);
        })) {
      names.push_back(entry.name);
    }
  }
  return names;
}

}  // namespace thaw
