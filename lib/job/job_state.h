// What is known of a job from its earlier runs, kept in a file of its own. specs/jobs.md clause 5.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "io/file_system.h"
#include "io/lock.h"

namespace thaw {

struct JobState {
  std::string name;
  // Where the job's output goes; once it stands here, what is at that place is ours to replace.
  std::string output;
  std::string fingerprint;  // of the plan whose output stands there; empty: none yet
  // Of the plan that is being carried out, where nothing stood at `output` before; else empty.
  std::string planned;
  std::uint64_t archive_bytes = 0;  // of an output that is one file: its size
  bool hook_pending = false;  // the output stands, but the hook after success has not succeeded
  // The last run.
  bool running = false;  // begun and not ended: it was killed, unless it runs now
  int exit_code = 0;
  std::string error;         // the first message, empty where there is none
  std::string began;         // "2026-11-21T03:00:00Z"
  std::string ended;         // empty while it runs
  std::string last_success;  // when the output was last found or made whole
  unsigned attempts = 0;
  std::uint64_t milliseconds = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t tensors = 0;
};

// `path` is for messages. Errors: ErrorCode::input, the text is damaged or of another version.
[[nodiscard]] Result<JobState> parse_job_state(const std::string& path, std::string_view text);
[[nodiscard]] std::string job_state_text(const JobState& state);

// A file that is missing is an empty state. Errors: as above, and ErrorCode::io.
[[nodiscard]] Result<JobState> load_job_state(FileSystem& file_system, const std::string& path);
// Replaces the file in one step, durably.
[[nodiscard]] Status save_job_state(FileSystem& file_system, const std::string& path,
                                    const JobState& state);

// Held by the run that has the job, from before it loads the state until it has saved it: a file
// beside the state, `path`.lock. Errors: ErrorCode::locked, io.
[[nodiscard]] Result<Lock> lock_job_state(FileSystem& file_system, const std::string& path);
// By the holder, before it lets go. A file that stays harms nobody.
void remove_job_lock(FileSystem& file_system, const std::string& path);

// The time now, in UTC, as the state and the log have it.
[[nodiscard]] std::string time_text();

}  // namespace thaw
