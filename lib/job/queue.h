// Runs jobs: each is planned, skipped where its output is up to date, converted, tried again, and
// followed by its hooks. specs/jobs.md clauses 3, 4, 6.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/stop.h"
#include "convert/convert.h"
#include "job/job_file.h"
#include "job/job_state.h"

namespace thaw {

enum class JobOutcome : std::uint8_t {
  converted,
  up_to_date,  // nothing was done
  hook_only,   // the output was up to date, its hook was run again
  failed,
  not_begun,  // a stop, or a failed job that must not be passed over
};

struct JobResult {
  JobOutcome outcome = JobOutcome::not_begun;
  std::optional<Error> error;           // of the last attempt, or of the hook
  std::optional<ConvertReport> report;  // outcome converted, and where only the hook failed
  unsigned attempts = 0;
  double seconds = 0;
};

// One place of the queue: a job, or why its file gives none.
struct QueuedJob {
  std::string file;
  std::string name;        // for messages and the state; unique in a queue
  std::string state_file;  // path
  Result<Job> job;
};

// Called by one thread at a time, but not always by the same; the job is that of the queue.
class QueueObserver {
 public:
  virtual ~QueueObserver() = default;
  // About ten times a second, on the thread that called run_queue().
  virtual void on_tick() {}
  virtual void on_begin(const QueuedJob&) {}
  virtual void on_progress(const QueuedJob&, const Progress&) {}
  // An attempt failed and another follows after `delay` seconds.
  virtual void on_retry(const QueuedJob&, const Error&, unsigned /*attempt*/,
                        std::uint64_t /*delay*/) {}
  virtual void on_warning(const QueuedJob&, const Error&) {}
  virtual void on_hook(const QueuedJob&, const std::vector<std::string>& /*words*/,
                       int /*exit_code*/) {}
  virtual void on_end(const QueuedJob&, const JobResult&, const JobState&) {}
};

struct QueueOptions {
  unsigned at_once = 1;
  std::uint64_t memory = 256'000'000;  // of all jobs at once together
  unsigned threads = 0;                // the same; 0: one a processor
};

// Loads the files' jobs; wrong ones become places with an error. `state_directory`: empty: each
// state stands beside its job file. Errors: ErrorCode::usage (two jobs of one name).
[[nodiscard]] Result<std::vector<QueuedJob>> load_queue(FileSystem& file_system,
                                                        const std::vector<std::string>& files,
                                                        const std::string& state_directory,
                                                        const std::string& model_specs);

// Returns the results in the order of the queue. Every failure is a job's.
[[nodiscard]] std::vector<JobResult> run_queue(std::span<const QueuedJob> jobs,
                                               const QueueOptions& options, QueueObserver& observer,
                                               StopFlag& stop, FileSystem& file_system);

// What run_queue() would do with a job, for --dry-run: converted or up_to_date, or the error.
[[nodiscard]] Result<JobOutcome> plan_job(const QueuedJob& job, FileSystem& file_system);

// The process's exit code: 0, or that of the failure that matters most (specs/jobs.md clause 6).
[[nodiscard]] int worst_exit_code(std::span<const JobResult> results, const StopFlag& stop);

}  // namespace thaw
