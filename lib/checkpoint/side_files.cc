#include "checkpoint/side_files.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "checkpoint/download_hint.h"
#include "checkpoint/file_role.h"
#include "checkpoint/names.h"
#include "checkpoint/place.h"
#include "io/directory.h"

namespace thaw {

namespace {

// Links to directories are not followed, so only a real tree can be deep.
constexpr std::size_t kDeepest = 32;

// What Git LFS leaves in place of a file is about this long.
constexpr std::uint64_t kLongestPointer = 1024;

using Names = std::set<std::string, std::less<>>;

class Collector {
 public:
  Collector(FileSystem& file_system, const Names& own, const Names& stale)
      : file_system_(file_system), own_(own), stale_(stale) {}

  // `prefix`: the folder's path below the model directory and a slash; empty at the top.
  Status visit(const std::string& directory, const std::string& prefix, std::size_t depth) {
    if (depth > kDeepest) {
      return fail(ErrorCode::input, {.file = directory, .tensor = {}},
                  "folders are nested deeper than " + std::to_string(kDeepest) + " levels");
    }
    THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(directory));
    for (const DirectoryEntry& entry : entries) {
      if (entry.name == ".git" || entry.name == ".cache") continue;
      if (depth == 0 && own_.count(entry.name) != 0) continue;
      const std::string path = join_path(directory, entry.name);
      const FileRole role = role_of(
          entry.name, std::string_view(prefix).substr(0, prefix.empty() ? 0 : prefix.size() - 1));
      if (role == FileRole::adapter && entry.kind == FileKind::regular && !name_flaw(entry.name)) {
        files_.adapters.push_back({prefix + entry.name, path, entry.size});
      }
      if (role == FileRole::adapter ? entry.kind != FileKind::directory
                                    : stays(entry, role, depth, path)) {
        files_.left.push_back(prefix + entry.name);
      } else if (const std::optional<std::string_view> flaw = name_flaw(entry.name)) {
        errors_.add(
            fail(ErrorCode::input, {.file = path, .tensor = {}},
                 "the name of a file that would be carried to the output " + std::string(*flaw)));
      } else if (entry.kind == FileKind::directory) {
        THAW_RETURN_IF_ERROR(visit(path, prefix + entry.name + "/", depth + 1));
      } else if (entry.kind == FileKind::regular) {
        files_.carried.push_back({prefix + entry.name, path, entry.size});
        if (entry.size <= kLongestPointer && is_pointer(path)) {
          files_.pointers.push_back(prefix + entry.name);
        }
      } else {
        errors_.add(check_regular_file(path));  // a link to nothing
      }
    }
    return {};
  }

  Result<SideFiles> take() {
    THAW_RETURN_IF_ERROR(errors_.take());
    for (std::vector<SideFile>* files : {&files_.carried, &files_.adapters}) {
      std::sort(files->begin(), files->end(),
                [](const SideFile& a, const SideFile& b) { return a.name < b.name; });
    }
    std::sort(files_.left.begin(), files_.left.end());
    return std::move(files_);
  }

 private:
  bool is_pointer(const std::string& path) const {
    const Result<std::string> text = read_file(file_system_, path, kLongestPointer);
    return text.ok() && is_lfs_pointer(text.value());
  }

  bool stays(const DirectoryEntry& entry, FileRole role, std::size_t depth,
             const std::string& path) const {
    // A folder under such a name as well: what it holds could collide with what we write.
    if (role == FileRole::other_form && (depth == 0 || entry.kind != FileKind::directory)) {
      return true;
    }
    if (depth == 0 && (is_left_behind(entry.name) || stale_.count(entry.name) != 0)) return true;
    if (entry.kind == FileKind::directory) return entry.link;
    // Devices, FIFOs, sockets; but a link to nothing is a file that is missing.
    return entry.kind == FileKind::other && (!entry.link || file_kind(path).has_value());
  }

  FileSystem& file_system_;
  const Names& own_;
  const Names& stale_;
  SideFiles files_;
  ErrorList errors_;
};

}  // namespace

Result<SideFiles> collect_side_files(FileSystem& file_system, const std::string& directory,
                                     const Names& own, const Names& stale) {
  Collector collector(file_system, own, stale);
  THAW_RETURN_IF_ERROR(collector.visit(directory, "", 0));
  return collector.take();
}

}  // namespace thaw
