// The file of --report, --html and --metrics: there when the work is done, whole or not at all.
// specs/safety.md clause 1.5.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "io/atomic_file.h"

namespace thaw::app {

// Owns a temporary file beside FILE from open() on, and removes it unless write() renames it. A
// path that is not a regular file, such as a pipe, is written in place; - is standard output.
class ReportFile {
 public:
  ReportFile() = default;
  // `out` is the conversion's destination: a report inside of it is refused, because it would be
  // replaced with it. Errors: ErrorCode::usage, no_space.
  [[nodiscard]] static Result<ReportFile> open(const std::string& path, const std::string& out);
  ReportFile(ReportFile&& other) noexcept;
  ReportFile& operator=(ReportFile&& other) noexcept;
  ~ReportFile();

  // Once. Errors: ErrorCode::io, no_space.
  [[nodiscard]] Status write(std::string_view text);

 private:
  std::string path_;
  std::optional<AtomicFile> file_;
  int fd_ = -1;  // written in place; -1 besides !file_: nothing is asked for
};

}  // namespace thaw::app
