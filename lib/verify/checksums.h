// SHA256SUMS in an output: the format of sha256sum. specs/verify.md clause 5.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "execute/parallel.h"
#include "io/file_system.h"

namespace thaw {

inline constexpr const char* kChecksumsName = "SHA256SUMS";

struct ChecksumLine {
  std::string name;  // below the directory, unescaped
  std::string hex;   // 64 digits, lower case
};

// Errors, all at once, ErrorCode::input: a line that is malformed, a name that leads out of the
// directory or stands twice. `file` is for messages.
[[nodiscard]] Result<std::vector<ChecksumLine>> parse_checksums(std::string_view file,
                                                                std::string_view text);

struct ChecksumFinding {
  enum class Kind : std::uint8_t { differs, missing, unlisted };
  Kind kind = Kind::differs;
  std::string file;  // raw
};

struct ChecksumReport {
  std::uint64_t files = 0;                // that agree
  std::uint64_t bytes = 0;                // that were read
  std::vector<ChecksumFinding> findings;  // in the order of the names

  [[nodiscard]] bool holds() const { return findings.empty(); }
};

// Compares every file below `directory` with its SHA256SUMS. Reads in bounded memory and opens no
// path outside the directory. Errors: those of parsing, ErrorCode::io.
[[nodiscard]] Result<ChecksumReport> check_checksums(FileSystem& file_system,
                                                     const std::string& directory,
                                                     Parallel& parallel);

}  // namespace thaw
