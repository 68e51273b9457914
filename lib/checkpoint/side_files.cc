#include "checkpoint/side_files.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "checkpoint/names.h"
#include "checkpoint/place.h"
#include "io/directory.h"

namespace thaw {

namespace {

// Links to directories are not followed, so only a real tree can be deep.
constexpr std::size_t kDeepest = 32;

class Collector {
 public:
  explicit Collector(const std::set<std::string, std::less<>>& own) : own_(own) {}

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
      if (stays(entry, depth, path)) {
        files_.left.push_back(prefix + entry.name);
      } else if (const std::optional<std::string_view> flaw = name_flaw(entry.name)) {
        errors_.add(
            fail(ErrorCode::input, {.file = path, .tensor = {}},
                 "the name of a file that would be carried to the output " + std::string(*flaw)));
      } else if (entry.kind == FileKind::directory) {
        THAW_RETURN_IF_ERROR(visit(path, prefix + entry.name + "/", depth + 1));
      } else if (entry.kind == FileKind::regular) {
        files_.carried.push_back({prefix + entry.name, path, entry.size});
      } else {
        errors_.add(check_regular_file(path));  // a link to nothing
      }
    }
    return {};
  }

  Result<SideFiles> take() {
    THAW_RETURN_IF_ERROR(errors_.take());
    std::sort(files_.carried.begin(), files_.carried.end(),
              [](const SideFile& a, const SideFile& b) { return a.name < b.name; });
    std::sort(files_.left.begin(), files_.left.end());
    return std::move(files_);
  }

 private:
  static bool stays(const DirectoryEntry& entry, std::size_t depth, const std::string& path) {
    // A folder under such a name as well: what it holds could collide with what we write.
    if (is_weight_name(entry.name)) return true;
    if (depth == 0 && is_left_behind(entry.name)) return true;
    if (entry.kind == FileKind::directory) return entry.link;
    // Devices, FIFOs, sockets; but a link to nothing is a file that is missing.
    return entry.kind == FileKind::other && (!entry.link || file_kind(path).has_value());
  }

  const std::set<std::string, std::less<>>& own_;
  SideFiles files_;
  ErrorList errors_;
};

}  // namespace

Result<SideFiles> collect_side_files(const std::string& directory,
                                     const std::set<std::string, std::less<>>& own) {
  Collector collector(own);
  THAW_RETURN_IF_ERROR(collector.visit(directory, "", 0));
  return collector.take();
}

}  // namespace thaw
