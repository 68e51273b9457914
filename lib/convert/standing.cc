#include "convert/standing.h"

#include <map>
#include <memory>
#include <vector>

#include "convert/prepare.h"
#include "io/directory.h"

namespace thaw {

namespace {

// Sizes of the regular files below `directory`, by their path in it; one list a directory.
class Sizes {
 public:
  explicit Sizes(std::string directory) : directory_(std::move(directory)) {}

  bool has(const std::string& name, std::uint64_t size) {
    const std::size_t slash = name.rfind('/');
    std::string folder = directory_;
    if (slash != std::string::npos) folder.append("/").append(name, 0, slash);
    const auto [list, fresh] = folders_.try_emplace(folder);
    if (fresh) {
      Result<std::vector<DirectoryEntry>> entries = list_directory(folder);
      if (entries.ok()) list->second = std::move(entries).value();
    }
    const std::string last = slash == std::string::npos ? name : name.substr(slash + 1);
    for (const DirectoryEntry& entry : list->second) {
      if (entry.name == last) return entry.kind == FileKind::regular && entry.size == size;
    }
    return false;
  }

 private:
  std::string directory_;
  std::map<std::string, std::vector<DirectoryEntry>> folders_;
};

}  // namespace

Result<Standing> look_at_output(const ConvertOptions& options, FileSystem& file_system) {
  ConvertOptions forced = options;
  forced.force = true;
  THAW_ASSIGN_OR_RETURN(const std::unique_ptr<Prepared> prepared, prepare(forced, file_system));
  Standing check{.fingerprint = prepared->plan.fingerprint, .whole = true};
  Sizes sizes(prepared->out);
  for (const PlannedFile& file : prepared->plan.files) {
    check.whole = check.whole && sizes.has(file.name, file.size);
  }
  return check;
}

}  // namespace thaw
