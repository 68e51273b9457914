// The file of --report: there when the conversion is done, whole or not at all.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace thaw::app {

// Owns FILE.partial beside the file from open() on, and removes it unless write() renames it. A
// path that is not a regular file, such as a pipe, is written in place; - is standard output.
class ReportFile {
 public:
  ReportFile() = default;
  // `out` is the conversion's destination: a report inside of it is refused, because it would be
  // replaced with it. Errors: ErrorCode::usage.
  [[nodiscard]] static Result<ReportFile> open(const std::string& path, const std::string& out);
  ReportFile(ReportFile&& other) noexcept;
  ReportFile& operator=(ReportFile&& other) noexcept;
  ~ReportFile();

  // Once. Errors: ErrorCode::io.
  [[nodiscard]] Status write(std::string_view text);

 private:
  std::string path_;
  std::string partial_;  // empty: written in place
  int fd_ = -1;          // -1: nothing is asked for
};

}  // namespace thaw::app
