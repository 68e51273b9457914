#include "convert/standing.h"

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/text.h"
#include "io/directory.h"
#include "prepare/findings.h"
#include "prepare/output_format.h"
#include "prepare/prepare.h"
#include "sink/directory_sink.h"
#include "sink/input_marks.h"
#include "verify/checksums.h"

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

// Of a regular file.
std::optional<std::uint64_t> file_size(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return std::nullopt;
  const Result<std::vector<DirectoryEntry>> entries = list_directory(path.substr(0, slash + 1));
  if (!entries.ok()) return std::nullopt;
  for (const DirectoryEntry& entry : entries.value()) {
    if (entry.name == path.substr(slash + 1) && entry.kind == FileKind::regular) return entry.size;
  }
  return std::nullopt;
}

}  // namespace

Result<Standing> look_at_output(const ConvertOptions& options, FileSystem& file_system) {
  ConvertOptions forced = options;
  forced.force = true;
  THAW_ASSIGN_OR_RETURN(const std::unique_ptr<Prepared> prepared, prepare(forced, file_system));
  if (options.strict) THAW_RETURN_IF_ERROR(refuse_findings(prepared->findings));
  Standing standing{.fingerprint = prepared->plan.fingerprint + "-" + input_digest(prepared->plan),
                    .out = prepared->out,
                    .whole = true};
  if (prepared->format) {
    for (const std::string& part :
         {std::string(format_name(prepared->format)), std::to_string(options.level.value_or(0)),
          std::to_string(options.archive_mtime), printable(prepared->archive_root)}) {
      standing.fingerprint.append("-").append(part);
    }
    const std::optional<std::uint64_t> size = file_size(prepared->out);
    standing.whole = size.has_value();
    standing.archive_bytes = size.value_or(0);
    return standing;
  }
  Sizes sizes(prepared->out);
  for (const PlannedFile& file : prepared->plan.files) {
    standing.whole = standing.whole && sizes.has(file.name, file.size);
  }
  if (options.checksums) {
    standing.whole = standing.whole && file_size(prepared->out + "/" + kChecksumsName).has_value();
  }
  return standing;
}

Status tidy_output(const Standing& standing, FileSystem& file_system) {
  return tidy_published(file_system, standing.out);
}

}  // namespace thaw
