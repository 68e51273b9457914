#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "commands.h"
#include "job/queue.h"
#include "json_out.h"
#include "metrics.h"
#include "model_specs.h"
#include "progress.h"
#include "report_file.h"
#include "run_arguments.h"
#include "run_log.h"
#include "signals.h"
#include "summary.h"
#include "table.h"
#include "terminal.h"

namespace thaw::app {

namespace {

// Tells the terminal and the log what happens, and writes the reports.
class Teller final : public QueueObserver {
 public:
  Teller(const RunArguments& arguments, Signals& signals, RunLog& log)
      : quiet_(arguments.quiet),
        signals_(signals),
        log_(log),
        // Bars of jobs that run side by side would overwrite each other.
        printer_(make_progress_printer(arguments.quiet || arguments.queue.at_once > 1
                                           ? ProgressMode::none
                                           : ProgressMode::automatic)) {}

  void on_tick() override { signals_.poll(); }
  void on_begin(const QueuedJob& job) override {
    meter_ = {};
    log_.job_begins(job);
  }
  void on_progress(const QueuedJob& job, const Progress& progress) override {
    log_.progress(job, progress);
    meter_.update(progress);
    printer_->show(progress, meter_);
  }
  void on_retry(const QueuedJob& job, const Error& error, unsigned attempt,
                std::uint64_t delay) override {
    printer_->finish();
    log_.retry(job, error, attempt, delay);
    print_error(error);
    say(job, "attempt " + std::to_string(attempt) + " failed, trying again in " +
                 std::to_string(delay) + " s");
  }
  void on_warning(const QueuedJob& job, const Error& error) override {
    log_.warning(job, error);
    for (const std::string& message : error.messages) print_warning(message);
  }
  void on_hook(const QueuedJob& job, const std::vector<std::string>& words,
               int exit_code) override {
    log_.hook(job, words, exit_code);
    if (exit_code != 0) {
      print_warning(job.name + ": " + printable(words[0]) + " ended with exit code " +
                    std::to_string(exit_code));
    }
  }
  void on_end(const QueuedJob& job, const JobResult& result, const JobState&) override {
    printer_->finish();
    log_.job_ends(job, result);
    if (result.report) {
      for (const std::string& warning : result.report->plan.warnings) {
        print_warning(job.name + ": " + warning);
      }
    }
    if (result.report && job.job.ok() && !job.job.value().report.empty()) {
      write_report(job.job.value(), *result.report);
    }
    if (result.error) print_error(*result.error);
    say(job, outcome_text(result));
  }

  // The first report that could not be written.
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  void say(const QueuedJob& job, const std::string& what) const {
    if (!quiet_) write_stderr(job.name + ": " + what + "\n");
  }

  static std::string outcome_text(const JobResult& result) {
    switch (result.outcome) {
      case JobOutcome::converted:
        return "converted, " + bytes_text(result.report->bytes_written) + " in " +
               std::to_string(static_cast<std::uint64_t>(result.report->seconds)) + " s";
      case JobOutcome::up_to_date:
        return "up to date";
      case JobOutcome::hook_only:
        return "up to date, its hook was run again";
      case JobOutcome::failed:
        return "failed, exit code " + std::to_string(static_cast<int>(result.error->code));
      case JobOutcome::not_begun:
        break;
    }
    return "not begun";
  }

  void write_report(const Job& job, const ConvertReport& report) {
    Result<ReportFile> file = ReportFile::open(job.report, job.options.out);
    Status written =
        file.ok() ? file.value().write(report_json(report)) : std::move(file).take_status();
    if (written.ok()) return;
    print_error(written.error());
    if (status_.ok()) status_ = std::move(written);
  }

  bool quiet_;
  Signals& signals_;
  RunLog& log_;
  std::unique_ptr<ProgressPrinter> printer_;
  Meter meter_;
  Status status_;
};

std::vector<JobState> load_states(const std::vector<QueuedJob>& queue) {
  std::vector<JobState> states;
  for (const QueuedJob& job : queue) {
    Result<JobState> state = load_job_state(real_file_system(), job.state_file);
    states.push_back(state.ok() ? std::move(state).value() : JobState());
    states.back().name = job.name;
  }
  return states;
}

Status write_metrics(const std::string& path, const std::vector<QueuedJob>& queue) {
  if (path.empty()) return {};
  THAW_ASSIGN_OR_RETURN(ReportFile file, ReportFile::open(path, ""));
  return file.write(metrics_text(load_states(queue)));
}

int run_jobs(const RunArguments& arguments, const std::vector<QueuedJob>& queue) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  StopFlag stop;
  Signals signals(stop);
  RunLog log(arguments.log);
  Teller teller(arguments, signals, log);
  log.run_begins(queue.size());
  const std::vector<JobResult> results =
      run_queue(queue, arguments.queue, teller, stop, real_file_system());
  int code = worst_exit_code(results, stop);
  const Status metrics = write_metrics(arguments.metrics, queue);
  for (const Status* status : {&metrics, &log.status(), &teller.status()}) {
    if (status->ok()) continue;
    if (status != &teller.status()) print_error(status->error());
    if (code == 0) code = static_cast<int>(status->error().code);
  }
  const auto count = [&](JobOutcome outcome) {
    return static_cast<std::size_t>(
        std::count_if(results.begin(), results.end(),
                      [&](const JobResult& result) { return result.outcome == outcome; }));
  };
  log.run_ends(count(JobOutcome::converted),
               count(JobOutcome::up_to_date) + count(JobOutcome::hook_only),
               count(JobOutcome::failed), count(JobOutcome::not_begun), code,
               std::chrono::duration<double>(Clock::now() - begin).count());
  return code;
}

// One row a job: what would be done, or how the last run ended.
int print_rows(const RunArguments& arguments, const std::vector<QueuedJob>& queue) {
  JsonOut out;
  out.begin_object();
  out.begin_array("jobs");
  std::vector<std::vector<std::string>> rows;
  rows.push_back(arguments.status
                     ? std::vector<std::string>{"job", "last run", "ended", "written", "error"}
                     : std::vector<std::string>{"job", "now", "error"});
  const std::vector<JobState> states = load_states(queue);
  int code = 0;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    out.begin_object();
    out.member("job", queue[i].name);
    out.member("file", queue[i].file);
    if (arguments.status) {
      const JobState& state = states[i];
      const std::string how = state.running         ? "interrupted or running"
                              : state.ended.empty() ? "never run"
                              : state.exit_code == 0
                                  ? "good"
                                  : "exit code " + std::to_string(state.exit_code);
      out.member("last_run", how);
      out.member("exit_code", static_cast<std::uint64_t>(state.exit_code));
      out.member("began", state.began);
      out.member("ended", state.ended);
      out.member("last_success", state.last_success);
      out.member("output", state.output);
      out.member("fingerprint", state.fingerprint);
      out.member("attempts", std::uint64_t{state.attempts});
      out.member("seconds", static_cast<double>(state.milliseconds) / 1000);
      out.member("bytes_read", state.bytes_read);
      out.member("bytes_written", state.bytes_written);
      out.member("error", state.error);
      rows.push_back({queue[i].name, how, state.ended, bytes_text(state.bytes_written),
                      printable(state.error)});
    } else {
      const Result<JobOutcome> outcome = plan_job(queue[i], real_file_system());
      const std::string what = !outcome.ok()                              ? "fail"
                               : outcome.value() == JobOutcome::converted ? "convert"
                               : outcome.value() == JobOutcome::hook_only ? "run the hook"
                                                                          : "nothing";
      const std::string why = outcome.ok() ? std::string() : outcome.error().messages.front();
      out.member("would", what);
      out.member("error", why);
      rows.push_back({queue[i].name, what, why});
      if (!outcome.ok() && code == 0) code = static_cast<int>(outcome.error().code);
    }
    out.end_object();
  }
  out.end_array();
  out.end_object();
  const Status written =
      arguments.json ? write_stdout(std::move(out).take()) : write_stdout_facts(column_lines(rows));
  return written.ok() ? code : print_error(written.error());
}

}  // namespace

int run_run(const std::vector<std::string>& words) {
  const Result<RunArguments> parsed = parse_run(words);
  if (!parsed.ok()) return print_error(parsed.error());
  const RunArguments& arguments = parsed.value();
  if (arguments.help) {
    const Status written = write_stdout_facts(run_help().text);
    return written.ok() ? 0 : print_error(written.error());
  }
  const Result<std::vector<std::string>> files = find_job_files(arguments.paths);
  if (!files.ok()) return print_error(files.error());
  const Result<std::vector<QueuedJob>> queue = load_queue(
      real_file_system(), files.value(), arguments.state_directory, model_specs_directory());
  if (!queue.ok()) return print_error(queue.error());
  return arguments.status || arguments.dry_run ? print_rows(arguments, queue.value())
                                               : run_jobs(arguments, queue.value());
}

}  // namespace thaw::app
