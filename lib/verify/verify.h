// Whether an output is what a conversion would write: specs/verify.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/stop.h"
#include "execute/observer.h"
#include "io/file_system.h"
#include "prepare/options.h"
#include "prepare/report.h"
#include "verify/certificate.h"
#include "verify/checksums.h"

namespace thaw {

struct Prepared;

struct VerifyOptions {
  std::string out;            // the directory that is looked at
  ConvertOptions conversion;  // what it is compared with; its own `out` is not used
  bool infer_rounding = true;
  bool infer_shard_size = true;
  bool certificate = true;
};

struct VerifiedTensor {
  std::string name;  // raw
  std::string file;
  std::uint64_t bytes = 0;
  std::uint64_t differing = 0;  // bytes
  std::uint64_t first = 0;      // byte of the tensor, where some differ
};

// Something in the output that is not as it should be, by file and what is in it.
struct VerifyFinding {
  enum class Kind : std::uint8_t { differs, missing, size, extra, packed };
  Kind kind = Kind::differs;
  std::string file;
  std::string part;         // a tensor or "header", raw; empty: the file
  std::uint64_t bytes = 0;  // differs: how many; size: on the disk
  std::uint64_t first = 0;  // differs: offset in the file; size: what was expected
  std::string why;          // missing: what the system says; packed: the whole line
};

struct VerifyReport {
  std::vector<std::string> inferred;  // sentences, safe for a terminal
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;              // compared
  std::vector<VerifiedTensor> tensors;  // by file, in the order of the bytes
  std::vector<VerifyFinding> findings;  // by file, in the order of the plan; then extra files
  std::optional<Certificate> certificate;
  std::string no_certificate;  // why there is none, where one was asked for
  std::optional<ChecksumReport> checksums;

  [[nodiscard]] bool holds() const {
    return findings.empty() && no_certificate.empty() && (!certificate || certificate->holds()) &&
           (!checksums || checksums->holds());
  }
};

// Errors: as convert(), but for the output's; a difference is no error.
[[nodiscard]] Result<VerifyReport> verify(const VerifyOptions& options, Observer& observer,
                                          StopFlag& stop, FileSystem& file_system);

// The part of verify() that needs no inference: compares `directory` with what was prepared.
struct OutputCheck {
  std::string directory;
  bool unpublished = false;  // a .partial directory: files without bytes are not there yet
  bool certificate = true;
};
[[nodiscard]] Result<VerifyReport> check_output(const Prepared& prepared, const OutputCheck& check,
                                                Observer& observer, StopFlag& stop,
                                                FileSystem& file_system);

// One line for each finding, each linear that is wrong and each checksum that fails; safe for a
// terminal.
[[nodiscard]] std::vector<std::string> finding_lines(const VerifyReport& report);
// ErrorCode::differs with those lines, or nothing.
[[nodiscard]] Status verdict(const VerifyReport& report);

}  // namespace thaw
