#include "prepare/in_place.h"

#include <string_view>
#include <vector>

#include "base/text.h"
#include "io/directory.h"
#include "prepare/destination.h"
#include "sink/publication.h"

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

// What `hf download` notes in .cache/huggingface is worth nothing without the files it speaks of.
Status add_cache(const std::string& path, std::vector<std::string>& names) {
  THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(path));
  for (const DirectoryEntry& entry : entries) {
    if (entry.name == "huggingface" && entry.kind == FileKind::directory && !entry.link) continue;
    names.push_back(".cache/" + entry.name);
  }
  return {};
}

// Histories and caches, which are no part of a model and are not carried.
Status add_hidden(const std::string& path, const std::string& prefix,
                  std::vector<std::string>& names) {
  THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(path));
  for (const DirectoryEntry& entry : entries) {
    const std::string inner = path + "/" + entry.name;
    const bool folder = entry.kind == FileKind::directory && !entry.link;
    const bool cache = entry.name == ".cache";
    if (cache && prefix.empty() && folder) {
      THAW_RETURN_IF_ERROR(add_cache(inner, names));
    } else if (cache || entry.name == ".git") {
      names.push_back(prefix + entry.name);
    } else if (folder) {
      THAW_RETURN_IF_ERROR(add_hidden(inner, prefix + entry.name + "/", names));
    }
  }
  return {};
}

// What would be gone with the old directory.
Result<std::vector<std::string>> not_in_the_new(const Checkpoint& base, const std::string& path) {
  std::vector<std::string> names(base.files_not_carried().begin(), base.files_not_carried().end());
  THAW_RETURN_IF_ERROR(add_hidden(path, "", names));
  return names;
}

}  // namespace

Result<InPlace> check_in_place(FileSystem& file_system, const Checkpoint& base,
                               const Checkpoint& twin, const std::string& purpose,
                               bool keep_backup) {
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
  THAW_ASSIGN_OR_RETURN(const Leavings left, look_at_leavings(file_system, place.out));
  place.done_before = keep_backup && left.replaced && left.purpose == purpose;
  if (place.done_before) return place;
  if (exists(place.backup)) {
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
