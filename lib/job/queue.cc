#include "job/queue.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <mutex>
#include <new>
#include <set>
#include <utility>

#include "base/text.h"
#include "convert/standing.h"
#include "execute/parallel.h"
#include "io/directory.h"
#include "io/process.h"
#include "job/run_job.h"

namespace thaw {

namespace {

// Hands every call on under one lock.
class Serialized final : public QueueObserver {
 public:
  explicit Serialized(QueueObserver& observer) : observer_(observer) {}
  void on_tick() override {
    const std::lock_guard lock(mutex_);
    observer_.on_tick();
  }
  void on_begin(const QueuedJob& job) override {
    const std::lock_guard lock(mutex_);
    observer_.on_begin(job);
  }
  void on_progress(const QueuedJob& job, const Progress& progress) override {
    const std::lock_guard lock(mutex_);
    observer_.on_progress(job, progress);
  }
  void on_retry(const QueuedJob& job, const Error& error, unsigned attempt,
                std::uint64_t delay) override {
    const std::lock_guard lock(mutex_);
    observer_.on_retry(job, error, attempt, delay);
  }
  void on_warning(const QueuedJob& job, const Error& error) override {
    const std::lock_guard lock(mutex_);
    observer_.on_warning(job, error);
  }
  void on_hook(const QueuedJob& job, const std::vector<std::string>& words,
               int exit_code) override {
    const std::lock_guard lock(mutex_);
    observer_.on_hook(job, words, exit_code);
  }
  void on_end(const QueuedJob& job, const JobResult& result, const JobState& state) override {
    const std::lock_guard lock(mutex_);
    observer_.on_end(job, result, state);
  }

 private:
  std::mutex mutex_;
  QueueObserver& observer_;
};

// The jobs that run at once divide memory and threads evenly; a job may ask for less.
ConvertOptions with_share(const Job& job, const QueueOptions& options, unsigned at_once) {
  ConvertOptions share = job.options;
  const std::uint64_t memory = options.memory / at_once;
  share.memory = job.sets_memory ? std::min(job.options.memory, memory) : memory;
  const unsigned all = options.threads != 0 ? options.threads : processor_count();
  const unsigned threads = std::max(1u, all / at_once);
  share.threads = job.sets_threads ? std::min(job.options.threads, threads) : threads;
  return share;
}

JobResult failed(Error error) {
  JobResult result;
  result.outcome = JobOutcome::failed;
  result.error = std::move(error);
  return result;
}

// Runs a job so that nothing it throws leaves the thread.
JobResult run_guarded(const QueuedJob& queued, const QueueOptions& options, unsigned at_once,
                      QueueObserver& observer, StopFlag& stop, FileSystem& file_system) {
  if (!queued.job.ok()) return refuse_job(queued, observer, file_system);
  try {
    const ConvertOptions share = with_share(queued.job.value(), options, at_once);
    return run_job(queued, share, observer, stop, file_system);
  } catch (const std::bad_alloc&) {
    return failed(make_error(ErrorCode::no_space, {queued.file, {}}, "out of memory"));
  } catch (const std::exception& exception) {
    return failed(make_error(ErrorCode::bug, {queued.file, {}}, printable(exception.what())));
  }
}

std::string without_json(const std::string& file) {
  return file.ends_with(".json") ? file.substr(0, file.size() - 5) : file;
}

}  // namespace

Result<std::vector<QueuedJob>> load_queue(FileSystem& file_system,
                                          const std::vector<std::string>& files,
                                          const std::string& state_directory,
                                          const std::string& model_specs) {
  std::vector<QueuedJob> queue;
  std::set<std::string> names;
  ErrorList errors;
  for (const std::string& file : files) {
    QueuedJob queued{file, without_json(file), without_json(file) + ".state",
                     load_job_file(file_system, file)};
    queued.name.erase(0, queued.name.rfind('/') + 1);
    if (queued.job.ok()) {
      queued.name = queued.job.value().name;
      queued.job.value().options.model_specs = model_specs;
    }
    if (!state_directory.empty()) {
      queued.state_file = state_directory;
      queued.state_file.append("/").append(queued.name).append(".state");
    }
    if (!names.insert(queued.name).second) {
      errors.add(fail(ErrorCode::usage, {file, {}},
                      "another job is called \"" + printable(queued.name) + "\" too"));
    }
    queue.push_back(std::move(queued));
  }
  THAW_RETURN_IF_ERROR(errors.take());
  return queue;
}

std::vector<JobResult> run_queue(std::span<const QueuedJob> jobs, const QueueOptions& options,
                                 QueueObserver& observer, StopFlag& stop, FileSystem& file_system) {
  std::vector<JobResult> results(jobs.size());
  Serialized serialized(observer);
  std::atomic<bool> halted{false};
  const unsigned at_once = static_cast<unsigned>(
      std::clamp<std::size_t>(options.at_once, 1, std::max<std::size_t>(1, jobs.size())));
  Parallel parallel(at_once, stop, [&] { serialized.on_tick(); });
  // A stop ends jobs that run, and is told by the flag; nothing else can fail here.
  static_cast<void>(parallel.run(jobs.size(), [&](unsigned, std::uint64_t i) {
    if (halted) return Status();
    results[i] = run_guarded(jobs[i], options, at_once, serialized, stop, file_system);
    const bool passed_over = !jobs[i].job.ok() || jobs[i].job.value().keep_going;
    if (results[i].outcome == JobOutcome::failed && !passed_over) halted = true;
    return Status();
  }));
  return results;
}

Result<JobOutcome> plan_job(const QueuedJob& queued, FileSystem& file_system) {
  if (!queued.job.ok()) return Status(queued.job.error());
  const ConvertOptions& options = queued.job.value().options;
  THAW_ASSIGN_OR_RETURN(const Standing check, look_at_output(options, file_system));
  const Result<JobState> state = load_job_state(file_system, queued.state_file);
  const bool known =
      state.ok() && check.whole && state.value().fingerprint == check.fingerprint &&
      state.value().output == resolved_path(options.in_place ? options.base : options.out);
  if (!known) return JobOutcome::converted;
  return state.value().hook_pending ? JobOutcome::hook_only : JobOutcome::up_to_date;
}

int worst_exit_code(std::span<const JobResult> results, const StopFlag& stop) {
  if (const std::optional<ErrorCode> reason = stop.reason()) return static_cast<int>(*reason);
  // What no later run will mend by itself comes first.
  constexpr std::array kOrder = {ErrorCode::bug,   ErrorCode::differs, ErrorCode::numbers,
                                 ErrorCode::input, ErrorCode::usage,   ErrorCode::no_space,
                                 ErrorCode::io,    ErrorCode::locked};
  for (const ErrorCode code : kOrder) {
    for (const JobResult& result : results) {
      if (result.error && result.error->code == code) return static_cast<int>(code);
    }
  }
  return 0;
}

}  // namespace thaw
