#include "job/run_job.h"

#include <chrono>
#include <utility>

#include "convert/standing.h"
#include "io/child.h"
#include "io/directory.h"
#include "io/lock.h"
#include "io/process.h"

namespace thaw {

namespace {

using Clock = std::chrono::steady_clock;

// What may go better another time without anybody's doing.
bool may_pass(ErrorCode code) {
  return code == ErrorCode::io || code == ErrorCode::no_space || code == ErrorCode::locked;
}

// False when a stop was requested meanwhile.
bool wait(std::uint64_t seconds, const StopFlag& stop) {
  const Clock::time_point end = Clock::now() + std::chrono::seconds(seconds);
  while (!stop.requested() && Clock::now() < end) {
    pause_for(std::chrono::milliseconds(50));
  }
  return !stop.requested();
}

class Progressing final : public Observer {
 public:
  Progressing(const QueuedJob& job, QueueObserver& observer) : job_(job), observer_(observer) {}
  void on_progress(const Progress& progress) override { observer_.on_progress(job_, progress); }

 private:
  const QueuedJob& job_;
  QueueObserver& observer_;
};

class JobRun {
 public:
  JobRun(const QueuedJob& queued, const ConvertOptions& options, QueueObserver& observer,
         StopFlag& stop, FileSystem& file_system)
      : queued_(queued),
        job_(queued.job.value()),
        options_(options),
        observer_(observer),
        stop_(stop),
        file_system_(file_system) {}

  JobResult run();

 private:
  Status work();
  void adopt(const Standing& found);
  Status convert_until_done();
  Status convert_once();
  Status run_success_hook();
  void run_failure_hook();
  void end();

  Status take_lock();
  void release_lock();
  void load();
  void save();
  [[nodiscard]] std::string place() const;
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> variables(int exit_code) const;

  const QueuedJob& queued_;
  const Job& job_;
  ConvertOptions options_;
  QueueObserver& observer_;
  StopFlag& stop_;
  FileSystem& file_system_;

  std::optional<Lock> lock_;  // of the state, for the whole job
  JobState state_;
  JobResult result_;
  const Clock::time_point began_ = Clock::now();
};

JobResult JobRun::run() {
  observer_.on_begin(queued_);
  if (Status status = take_lock(); !status.ok()) {
    // State and hooks are the other run's.
    result_.outcome = JobOutcome::failed;
    result_.error = std::move(status).take_error();
    result_.seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    observer_.on_end(queued_, result_, state_);
    return std::move(result_);
  }
  load();
  if (Status status = work(); !status.ok()) {
    result_.outcome = JobOutcome::failed;
    result_.error = std::move(status).take_error();
    if (!stop_.requested()) run_failure_hook();
  }
  end();
  release_lock();
  return std::move(result_);
}

// Waits for another run of this job as it would wait between attempts.
Status JobRun::take_lock() {
  for (unsigned attempt = 1;; ++attempt) {
    result_.attempts = attempt;
    Result<Lock> lock = lock_job_state(file_system_, queued_.state_file);
    if (lock.ok()) {
      lock_ = std::move(lock).value();
      if (!lock_->supported()) {
        observer_.on_warning(
            queued_, make_error(ErrorCode::io, {queued_.state_file, {}},
                                "this file system has no locks: see to it yourself that no other "
                                "run has this job"));
      }
      return {};
    }
    // Where no lock can be made, no state can be written either: that is said when it is tried, and
    // a job that is up to date needs none.
    if (lock.error().code != ErrorCode::locked) return {};
    if (attempt > job_.retries || stop_.requested()) return std::move(lock).take_status();
    observer_.on_retry(queued_, lock.error(), attempt, job_.retry_delay);
    if (!wait(job_.retry_delay, stop_)) return std::move(lock).take_status();
  }
}

void JobRun::release_lock() {
  if (!lock_) return;
  remove_job_lock(file_system_, queued_.state_file);
  lock_.reset();
}

Status JobRun::work() {
  const bool ours = state_.output == place();
  const Result<Standing> check = look_at_output(options_, file_system_);
  if (check.ok() && ours) adopt(check.value());
  if (check.ok() && check.value().whole && ours &&
      state_.archive_bytes == check.value().archive_bytes &&
      state_.fingerprint == check.value().fingerprint) {
    result_.outcome = state_.hook_pending ? JobOutcome::hook_only : JobOutcome::up_to_date;
    return state_.hook_pending ? run_success_hook() : Status();
  }
  // What an earlier run of this job made, or left half made, is its own to replace.
  if (ours && !state_.fingerprint.empty()) options_.force = true;
  if (ours) options_.drop_foreign = true;

  // A place is claimed before the work begins, and never where somebody else's output stands: the
  // conversion refuses that.
  const std::string output_before = state_.output;
  const bool vacant = !exists(place());
  if (check.ok() && (ours || vacant || options_.in_place)) {
    state_.output = place();
    if (!ours) state_.fingerprint.clear();
    state_.planned = vacant ? check.value().fingerprint : std::string();
    THAW_RETURN_IF_ERROR(save_job_state(file_system_, queued_.state_file, state_));
  }
  if (Status status = convert_until_done(); !status.ok()) {
    // It did not come to the place, or found somebody else there.
    const ErrorCode code = status.error().code;
    if (code == ErrorCode::usage || code == ErrorCode::locked) state_.output = output_before;
    return status;
  }
  return run_success_hook();
}

// An earlier run published what it had planned, and ended before it could say so.
void JobRun::adopt(const Standing& found) {
  if (!found.whole || state_.planned.empty() || state_.planned != found.fingerprint) return;
  state_.fingerprint = std::exchange(state_.planned, std::string());
  state_.archive_bytes = found.archive_bytes;
  state_.hook_pending = !job_.on_success.empty();
  if (const Status tidied = tidy_output(found, file_system_); !tidied.ok()) {
    observer_.on_warning(queued_, tidied.error());
  }
}

Status JobRun::convert_until_done() {
  for (unsigned attempt = 1;; ++attempt) {
    result_.attempts = attempt;
    Status status = convert_once();
    if (status.ok() || stop_.requested()) return status;
    if (attempt > job_.retries || !may_pass(status.error().code)) return status;
    observer_.on_retry(queued_, status.error(), attempt, job_.retry_delay);
    if (!wait(job_.retry_delay, stop_)) return status;
  }
}

Status JobRun::convert_once() {
  Progressing progressing(queued_, observer_);
  Result<ConvertReport> report = convert(options_, progressing, stop_, file_system_);
  if (!report.ok()) return std::move(report).take_status();
  result_.report = std::move(report).value();
  result_.outcome = JobOutcome::converted;
  state_.hook_pending = !job_.on_success.empty();
  // What the next run will find: in place, its plan reads the base that this one made.
  THAW_ASSIGN_OR_RETURN(const Standing next, look_at_output(options_, file_system_));
  state_.fingerprint = next.fingerprint;
  state_.planned.clear();
  state_.output = place();
  state_.archive_bytes = next.archive_bytes;
  return {};
}

Status JobRun::run_success_hook() {
  if (job_.on_success.empty()) {
    state_.hook_pending = false;
    return {};
  }
  THAW_ASSIGN_OR_RETURN(const int code, run_child(job_.on_success, variables(0), stop_));
  observer_.on_hook(queued_, job_.on_success, code);
  state_.hook_pending = code != 0;
  if (code == 0) return {};
  return fail(ErrorCode::io, {job_.file, {}},
              "the hook after success ended with exit code " + std::to_string(code),
              "The output stands; the next run tries the hook alone again.");
}

void JobRun::run_failure_hook() {
  if (job_.on_failure.empty()) return;
  const int exit_code = static_cast<int>(result_.error->code);
  const Result<int> code = run_child(job_.on_failure, variables(exit_code), stop_);
  if (code.ok()) {
    observer_.on_hook(queued_, job_.on_failure, code.value());
  } else {
    observer_.on_warning(queued_, code.error());
  }
}

void JobRun::end() {
  result_.seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  state_.running = false;
  state_.ended = time_text();
  state_.exit_code = result_.error ? static_cast<int>(result_.error->code) : 0;
  state_.error =
      result_.error && !result_.error->messages.empty() ? result_.error->messages[0] : "";
  state_.attempts = result_.attempts;
  if (!result_.error) state_.last_success = state_.ended;
  if (result_.report) {
    state_.milliseconds = static_cast<std::uint64_t>(result_.report->seconds * 1000);
    state_.bytes_read = result_.report->bytes_read;
    state_.bytes_written = result_.report->bytes_written;
    state_.tensors = result_.report->plan.tensors;
  }
  // The run that holds the lock tells how it ended, not we.
  if (!result_.error || result_.error->code != ErrorCode::locked) save();
  observer_.on_end(queued_, result_, state_);
}

// A state that cannot be read means only that nothing is known: the job is done from the start.
void JobRun::load() {
  Result<JobState> loaded = load_job_state(file_system_, queued_.state_file);
  if (loaded.ok()) {
    state_ = std::move(loaded).value();
  } else {
    observer_.on_warning(queued_, loaded.error());
  }
  state_.name = queued_.name;
  state_.running = true;
  state_.began = time_text();
  state_.ended.clear();
}

void JobRun::save() {
  const Status saved = save_job_state(file_system_, queued_.state_file, state_);
  if (!saved.ok()) observer_.on_warning(queued_, saved.error());
}

std::string JobRun::place() const {
  return resolved_path(options_.in_place ? options_.base : options_.out);
}

std::vector<std::pair<std::string, std::string>> JobRun::variables(int exit_code) const {
  const bool failed = result_.error.has_value();
  return {{"THAW_JOB", queued_.name},
          {"THAW_JOB_FILE", job_.file},
          {"THAW_INPUT", options_.model},
          {"THAW_OUTPUT", place()},
          {"THAW_EXIT_CODE", std::to_string(exit_code)},
          {"THAW_ERROR",
           failed && !result_.error->messages.empty() ? result_.error->messages[0] : std::string()},
          {"THAW_BYTES_WRITTEN",
           std::to_string(result_.report ? result_.report->bytes_written : state_.bytes_written)},
          {"THAW_SECONDS", std::to_string(result_.report ? result_.report->seconds : 0)}};
}

}  // namespace

JobResult refuse_job(const QueuedJob& queued, QueueObserver& observer, FileSystem& file_system) {
  observer.on_begin(queued);
  JobResult result;
  result.outcome = JobOutcome::failed;
  result.error = queued.job.error();
  const Result<Lock> lock = lock_job_state(file_system, queued.state_file);
  const bool others = !lock.ok() && lock.error().code == ErrorCode::locked;
  Result<JobState> loaded = load_job_state(file_system, queued.state_file);
  JobState state = loaded.ok() ? std::move(loaded).value() : JobState();
  state.name = queued.name;
  state.began = state.ended = time_text();
  state.exit_code = static_cast<int>(result.error->code);
  state.error = result.error->messages.front();
  if (!others) {
    const Status saved = save_job_state(file_system, queued.state_file, state);
    if (!saved.ok()) observer.on_warning(queued, saved.error());
  }
  if (lock.ok()) remove_job_lock(file_system, queued.state_file);
  observer.on_end(queued, result, state);
  return result;
}

JobResult run_job(const QueuedJob& queued, const ConvertOptions& options, QueueObserver& observer,
                  StopFlag& stop, FileSystem& file_system) {
  return JobRun(queued, options, observer, stop, file_system).run();
}

}  // namespace thaw
