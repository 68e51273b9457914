// The log of `thaw run --log`: one line of JSON for each event. specs/jobs.md clause 7.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "job/queue.h"

namespace thaw::app {

// Appends to the file and opens it anew for each line, so that it can be rotated at any time by
// whoever rotates logs. The first line that cannot be written is kept as the error; the run goes
// on.
class RunLog {
 public:
  // `path` empty: nothing is written.
  explicit RunLog(std::string path) : path_(std::move(path)) {}

  void run_begins(std::size_t jobs);
  void run_ends(std::size_t converted, std::size_t up_to_date, std::size_t failed,
                std::size_t not_begun, int exit_code, double seconds);
  void job_begins(const QueuedJob& job);
  // At each change of stage, and at most every ten seconds within one.
  void progress(const QueuedJob& job, const Progress& progress);
  void retry(const QueuedJob& job, const Error& error, unsigned attempt, std::uint64_t delay);
  void warning(const QueuedJob& job, const Error& error);
  void hook(const QueuedJob& job, const std::vector<std::string>& words, int exit_code);
  void job_ends(const QueuedJob& job, const JobResult& result);

  [[nodiscard]] const Status& status() const { return status_; }

 private:
  struct Stage {
    std::string job;
    std::string stage;
    double seconds = 0;
  };
  void append(std::string line);

  std::string path_;
  Status status_;
  std::vector<Stage> stages_;  // of the jobs that run
};

// "converted", "up_to_date", "hook_only", "failed", "not_begun".
[[nodiscard]] const char* outcome_name(JobOutcome outcome);

}  // namespace thaw::app
