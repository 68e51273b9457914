#include "run_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "job/job_state.h"
#include "json_out.h"

namespace thaw::app {

namespace {

JsonOut event(const char* name) {
  JsonOut out(JsonOut::Form::line);
  out.begin_object();
  out.member("time", time_text());
  out.member("event", name);
  return out;
}

JsonOut event(const char* name, const QueuedJob& job) {
  JsonOut out = event(name);
  out.member("job", job.name);
  return out;
}

void add_error(JsonOut& out, const Error& error) {
  out.member("exit_code", static_cast<std::uint64_t>(error.code));
  out.member("errors", error.messages);
}

std::string ended(JsonOut&& out) {
  out.end_object();
  return std::move(out).take();
}

double rate(std::uint64_t bytes, double seconds) {
  return seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
}

// Whether the file ends within a line: somebody else's half, or one of a run that was killed.
bool ends_within_line(const std::string& path, const struct stat& info) {
  if (info.st_size == 0) return false;
  const int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;  // it may be written and not read
  char last = '\n';
  const ssize_t got = ::pread(fd, &last, 1, info.st_size - 1);
  ::close(fd);
  return got == 1 && last != '\n';
}

// Appends a line whole or not at all, and never to a half one; returns 0 or an errno. One write, so
// that lines of several processes do not mix. Where the disk fills up within it, what was written
// is taken back; the lock keeps other runs from writing behind it meanwhile.
int append_line(const std::string& path, std::string line) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return errno;
  struct stat info {};
  bool locked = false;
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    // Whoever holds it longer than a line takes is no run of ours.
    for (int i = 0; i < 100 && !locked; ++i) {
      locked = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
      if (!locked && errno != EWOULDBLOCK && errno != EINTR) break;
      if (!locked) ::usleep(1000);
    }
    locked = ::fstat(fd, &info) == 0 && locked;
    if (ends_within_line(path, info)) line.insert(line.begin(), '\n');
  }
  int number = 0;
  std::size_t done = 0;
  while (done < line.size() && number == 0) {
    const ssize_t written = ::write(fd, line.data() + done, line.size() - done);
    if (written > 0) {
      done += static_cast<std::size_t>(written);
    } else if (written == 0 || errno != EINTR) {
      number = written == 0 ? EIO : errno;
    }
  }
  if (number != 0 && done != 0 && locked && ::ftruncate(fd, info.st_size) != 0) {
    // The half line stays: the next one will begin on a line of its own.
  }
  ::close(fd);
  return number;
}

}  // namespace

const char* outcome_name(JobOutcome outcome) {
  switch (outcome) {
    case JobOutcome::converted:
      return "converted";
    case JobOutcome::up_to_date:
      return "up_to_date";
    case JobOutcome::hook_only:
      return "hook_only";
    case JobOutcome::failed:
      return "failed";
    case JobOutcome::not_begun:
      break;
  }
  return "not_begun";
}

void RunLog::append(std::string line) {
  if (path_.empty()) return;
  const int number = append_line(path_, std::move(line));
  if (number == 0 || !status_.ok()) return;
  status_ = fail(ErrorCode::io, {path_, {}},
                 "cannot write the log: " + std::generic_category().message(number));
}

void RunLog::run_begins(std::size_t jobs) {
  JsonOut out = event("run_begins");
  out.member("jobs", std::uint64_t{jobs});
  out.member("pid", static_cast<std::uint64_t>(::getpid()));
  append(ended(std::move(out)));
}

void RunLog::run_ends(std::size_t converted, std::size_t up_to_date, std::size_t failed,
                      std::size_t not_begun, int exit_code, double seconds) {
  JsonOut out = event("run_ends");
  out.member("converted", std::uint64_t{converted});
  out.member("up_to_date", std::uint64_t{up_to_date});
  out.member("failed", std::uint64_t{failed});
  out.member("not_begun", std::uint64_t{not_begun});
  out.member("exit_code", static_cast<std::uint64_t>(exit_code));
  out.member("seconds", seconds);
  append(ended(std::move(out)));
}

void RunLog::job_begins(const QueuedJob& job) {
  JsonOut out = event("job_begins", job);
  out.member("file", job.file);
  if (job.job.ok()) {
    out.member("input", job.job.value().options.model);
    out.member("output", job.job.value().options.out);
  }
  append(ended(std::move(out)));
}

void RunLog::progress(const QueuedJob& job, const Progress& progress) {
  constexpr double kEvery = 10;  // seconds
  auto stage = std::find_if(stages_.begin(), stages_.end(),
                            [&](const Stage& one) { return one.job == job.name; });
  if (stage == stages_.end()) stage = stages_.insert(stages_.end(), {job.name, "", 0});
  const bool changed = stage->stage != progress.stage;
  if (!changed && progress.seconds < stage->seconds + kEvery) return;
  stage->stage = progress.stage;
  stage->seconds = progress.seconds;
  JsonOut out = event("progress", job);
  out.member("stage", progress.stage);
  out.member("bytes_done", progress.bytes_done);
  out.member("bytes_total", progress.bytes_total);
  out.member("seconds", progress.seconds);
  out.member("bytes_per_second", rate(progress.bytes_done, progress.seconds));
  append(ended(std::move(out)));
}

void RunLog::retry(const QueuedJob& job, const Error& error, unsigned attempt,
                   std::uint64_t delay) {
  JsonOut out = event("retry", job);
  out.member("attempt", std::uint64_t{attempt});
  out.member("delay", delay);
  add_error(out, error);
  append(ended(std::move(out)));
}

void RunLog::warning(const QueuedJob& job, const Error& error) {
  JsonOut out = event("warning", job);
  out.member("messages", error.messages);
  append(ended(std::move(out)));
}

void RunLog::hook(const QueuedJob& job, const std::vector<std::string>& words, int exit_code) {
  JsonOut out = event("hook", job);
  out.member("command", words);
  out.member("exit_code", static_cast<std::uint64_t>(exit_code));
  append(ended(std::move(out)));
}

void RunLog::job_ends(const QueuedJob& job, const JobResult& result) {
  std::erase_if(stages_, [&](const Stage& stage) { return stage.job == job.name; });
  JsonOut out = event("job_ends", job);
  out.member("outcome", outcome_name(result.outcome));
  out.member("attempts", std::uint64_t{result.attempts});
  out.member("seconds", result.seconds);
  if (result.report) {
    out.member("bytes_read", result.report->bytes_read);
    out.member("bytes_written", result.report->bytes_written);
    out.member("bytes_per_second", rate(result.report->bytes_written, result.report->seconds));
    out.member("warnings", result.report->plan.warnings);
  }
  if (result.error) {
    add_error(out, *result.error);
  } else {
    out.member("exit_code", std::uint64_t{0});
  }
  append(ended(std::move(out)));
}

}  // namespace thaw::app
