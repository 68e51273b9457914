#include "prepare/destination.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/directory.h"

namespace thaw {

namespace {

Status refuse(const std::string& out, std::string_view what, std::string_view hint) {
  return fail(ErrorCode::usage, {.file = out, .tensor = {}}, what, hint);
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

bool holds_checkpoint(const std::vector<DirectoryEntry>& entries) {
  for (const DirectoryEntry& entry : entries) {
    if (entry.name == "config.json" || ends_with(entry.name, ".safetensors")) return true;
  }
  return false;
}

// Whether the files of such a folder that look like a checkpoint are ones that the new output has
// too: a module of the model in a folder of its own.
bool is_carried_folder(const std::string& folder, const std::vector<DirectoryEntry>& below,
                       const Checkpoint& frame) {
  return std::all_of(below.begin(), below.end(), [&](const DirectoryEntry& entry) {
    if (!holds_checkpoint({entry})) return true;
    const std::string name = folder + "/" + entry.name;
    const std::span<const SideFile> files = frame.side_files();
    return std::any_of(files.begin(), files.end(),
                       [&](const SideFile& file) { return file.name == name; });
  });
}

Status check_replaceable(const std::string& out, const std::vector<DirectoryEntry>& entries,
                         const Checkpoint& frame) {
  if (!holds_checkpoint(entries)) {
    return refuse(out, "exists and is not a checkpoint, so --force does not replace it",
                  "Choose another OUT, or remove it yourself.");
  }
  for (const DirectoryEntry& entry : entries) {
    if (entry.kind != FileKind::directory || entry.link) continue;
    THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> below,
                          list_directory(out + "/" + entry.name));
    if (holds_checkpoint(below) && !is_carried_folder(entry.name, below, frame)) {
      return refuse(out + "/" + entry.name,
                    "holds another checkpoint, so --force does not remove it",
                    "Choose another OUT, or move it away.");
    }
  }
  return {};
}

Status check_existing(const std::string& out, bool force, const Checkpoint& frame) {
  if (!exists(out)) return {};
  if (file_kind(out) != FileKind::directory) {
    return refuse(out, "exists and is not a directory", "Choose another OUT.");
  }
  if (is_mount_point(out)) {
    return refuse(out, "is a mount point, which cannot be replaced by a rename",
                  "Choose a directory inside it.");
  }
  THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(out));
  if (entries.empty()) return {};
  if (!force) {
    return refuse(out, "exists already", "Choose another OUT, or replace it with --force.");
  }
  return check_replaceable(out, entries, frame);
}

}  // namespace

bool is_within(std::string_view inner, std::string_view outer) {
  if (outer == "/") return true;
  return inner.substr(0, outer.size()) == outer &&
         (inner.size() == outer.size() || inner[outer.size()] == '/');
}

std::string input_place(const Checkpoint& input) {
  const std::string first_shard = input.shards().front().file.path();
  return resolved_path(input.is_directory() ? first_shard.substr(0, first_shard.rfind('/'))
                                            : first_shard);
}

namespace {

// Neither the output nor where it is written may be, contain or lie inside an input.
Status check_outside(const std::string& resolved, const Checkpoint& input, const Checkpoint* base) {
  for (const Checkpoint* one : {&input, base}) {
    if (one == nullptr) continue;
    const std::string model = input_place(*one);
    for (const std::string& mine : {resolved, resolved + ".partial"}) {
      if (is_within(mine, model) || is_within(model, mine)) {
        return refuse(mine, "is, contains or lies inside the input " + model,
                      "Choose an OUT outside of it.");
      }
    }
  }
  return {};
}

}  // namespace

Result<std::string> check_destination(const std::string& out, bool force, const Checkpoint& input,
                                      const Checkpoint* base) {
  if (out.empty()) return refuse(out, "OUT is empty", "Name the directory to make.");
  constexpr std::array<std::string_view, 6> kFileEndings = {".safetensors", ".tar",  ".zst",
                                                            ".gz",          ".gguf", ".zip"};
  for (const std::string_view ending : kFileEndings) {
    if (!ends_with(out, ending)) continue;
    return refuse(
        out, "has an ending that is not supported: OUT is a directory, got " + std::string(ending),
        ending == ".safetensors" ? "Say --to safetensors to write one shard without its config."
                                 : "Name a directory, or a file that ends in .tar or .tar.zst.");
  }
  const std::string resolved = resolved_path(out);
  THAW_RETURN_IF_ERROR(check_outside(resolved, input, base));
  THAW_RETURN_IF_ERROR(check_existing(resolved, force, base != nullptr ? *base : input));
  return resolved;
}

Result<std::string> check_file_destination(const std::string& out, bool force,
                                           const Checkpoint& input, const Checkpoint* base) {
  if (out.ends_with('/')) return refuse(out, "names a directory, not a file", "Name a file.");
  const std::string resolved = resolved_path(out);
  THAW_RETURN_IF_ERROR(check_outside(resolved, input, base));
  if (!exists(resolved)) return resolved;
  if (file_kind(resolved) != FileKind::regular) {
    return refuse(out, "exists and is not a regular file",
                  "Choose another OUT; - with --to is standard output.");
  }
  if (force) return resolved;
  return refuse(out, "exists already", "Choose another OUT, or replace it with --force.");
}

}  // namespace thaw
