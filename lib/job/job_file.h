// A job file: one conversion, with what to do around it. Format: specs/jobs.md,
// specs/job.schema.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "io/file_system.h"
#include "prepare/options.h"

namespace thaw {

struct Job {
  std::string file;  // path of the job file
  std::string name;
  ConvertOptions options;  // input and output in it, relative paths resolved against the file's
  std::string report;      // where the report is written; empty: nowhere
  unsigned retries = 0;    // further attempts after one that a later one can do better
  std::uint64_t retry_delay = 0;        // seconds before each
  std::vector<std::string> on_success;  // a program and its arguments; empty: none
  std::vector<std::string> on_failure;
  bool keep_going = true;  // false: when this job fails, those after it are not begun
  // Which of `options` the file itself sets: a queue divides what is not set.
  bool sets_memory = false;
  bool sets_threads = false;
};

// `file` is the path that the text was read from. Errors, all at once, each with line and column:
// ErrorCode::usage.
[[nodiscard]] Result<Job> parse_job_file(const std::string& file, std::string_view text);

// At most 1 MiB. Errors as above, and ErrorCode::usage when it is missing.
[[nodiscard]] Result<Job> load_job_file(FileSystem& file_system, const std::string& path);

// The job files among `paths`: files as they are, in the order given; of a directory its *.json,
// in natural order of their names. Errors: ErrorCode::usage (something is missing, or no job in a
// directory, or one file twice).
[[nodiscard]] Result<std::vector<std::string>> find_job_files(
    const std::vector<std::string>& paths);

}  // namespace thaw
