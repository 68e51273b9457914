#include "convert/in_place.h"

#include <string_view>
#include <vector>

#include "base/text.h"
#include "convert/destination.h"
#include "io/directory.h"
#include "sink/directory_sink.h"

namespace thaw {

namespace {

Status refuse(const std::string& path, std::string_view what, std::string_view hint) {
  return fail(ErrorCode::usage, {.file = path, .tensor = {}}, what, hint);
}

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string_view parent(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

// models--org--name/snapshots/<revision>: the cache's own bookkeeping names what is in there.
bool is_cached_snapshot(std::string_view path) {
  const std::string_view above = parent(path);
  return last_part(above) == "snapshots" && last_part(parent(above)).starts_with("models--");
}

// What would be gone with the old directory. .cache is where `hf download` notes what it fetched.
Result<std::vector<std::string>> not_in_the_new(const Checkpoint& base, const std::string& path) {
  std::vector<std::string> names(base.files_not_carried().begin(), base.files_not_carried().end());
  THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(path));
  for (const DirectoryEntry& entry : entries) {
    if (entry.name == ".git") names.push_back(entry.name);
  }
  return names;
}

}  // namespace

Result<InPlace> check_in_place(FileSystem& file_system, const Checkpoint& base,
                               const Checkpoint& twin, bool keep_backup) {
  if (!base.is_directory()) {
    return refuse(base.path(), "is a file, but --in-place replaces a directory",
                  "Name the directory, or write to an OUT.");
  }
  InPlace place;
  place.out = resolved_path(base.directory());
  place.backup = place.out + ".backup";
  if (is_cached_snapshot(place.out)) {
    return refuse(place.out, "is a snapshot in a Hugging Face cache, which is not replaced",
                  "Write to an OUT, or copy the model to a directory of its own.");
  }
  if (is_mount_point(place.out)) {
    return refuse(place.out, "is a mount point, which cannot be replaced by a rename",
                  "Write to an OUT, or move the model to a directory inside it.");
  }
  const std::string model = input_place(twin);
  for (const std::string& mine : {place.out, place.out + ".partial", place.backup}) {
    if (!is_within(mine, model) && !is_within(model, mine)) continue;
    return refuse(mine, "is, contains or lies inside the quantized checkpoint " + printable(model),
                  "Move one of them away, or write to an OUT.");
  }
  if (exists(place.backup) && !is_left_behind(file_system, place.out, place.backup)) {
    return refuse(place.backup, "exists, and is where the old directory would go",
                  "Move it away, or remove it yourself.");
  }
  if (keep_backup) return place;
  THAW_ASSIGN_OR_RETURN(const std::vector<std::string> lost, not_in_the_new(base, place.out));
  if (lost.empty()) return place;
  std::string what = "holds what the new directory would not have: " + printable(lost.front());
  if (lost.size() > 1) what += " and " + std::to_string(lost.size() - 1) + " more";
  return refuse(place.out, what, "Add --keep-backup, or move it away first.");
}

}  // namespace thaw
