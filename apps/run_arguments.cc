#include "run_arguments.h"

#include <algorithm>

#include "argument_values.h"
#include "words.h"

namespace thaw::app {

namespace {

struct RunWords {
  std::string jobs, memory, threads;
};

OptionTable run_table(RunWords& words, RunArguments& to) {
  OptionTable table;
  auto add = table.add_options();
  add("jobs", text(words.jobs, "N", "1"), "run up to N jobs at once");
  add("memory", text(words.memory, "SIZE", "256MB"), "memory of all of them together");
  add("threads", text(words.threads, "N"), "at most N workers together (one a processor)");
  add("state", text(to.state_directory, "DIR"),
      "keep the jobs' states in DIR, not beside the job files");
  add("log", text(to.log, "FILE"), "append one line of JSON for each event");
  add("metrics", text(to.metrics, "FILE"), "write the results for Prometheus");
  add("dry-run", flag(to.dry_run), "say what would be done, do nothing");
  add("status", flag(to.status), "say how each job's last run ended, do nothing");
  add("json", flag(to.json), "with --dry-run or --status: as JSON");
  add("quiet,q", flag(to.quiet), "print errors only");
  add("help,h", flag(to.help), "print this");
  return table;
}

}  // namespace

Result<RunArguments> parse_run(const std::vector<std::string>& words) {
  const std::string command = "thaw run";
  RunArguments arguments;
  RunWords given;
  THAW_ASSIGN_OR_RETURN(arguments.paths, parse_words(words, run_table(given, arguments), command));
  if (arguments.help) return arguments;
  if (arguments.paths.empty()) return usage_error("JOB is missing", command);
  if (arguments.json && !arguments.dry_run && !arguments.status) {
    return usage_error("--json needs --dry-run or --status", command);
  }
  if (arguments.dry_run && arguments.status) {
    return usage_error("--dry-run and --status exclude each other", command);
  }
  THAW_ASSIGN_OR_RETURN(arguments.queue.memory, size_value("--memory", given.memory));
  THAW_ASSIGN_OR_RETURN(arguments.queue.threads, threads_value(given.threads));
  THAW_ASSIGN_OR_RETURN(arguments.queue.at_once, count_value("--jobs", given.jobs));
  return arguments;
}

CommandHelp run_help() {
  RunWords words;
  RunArguments arguments;
  return command_help(
      "thaw run JOB.json... | DIR [options]\n\n"
      "Runs jobs: conversions that are written down (specs/jobs.md), in the order given, those of\n"
      "a directory in the order of their names. A job whose output is up to date is skipped, one\n"
      "that was interrupted goes on. The exit code is 0 when all are done or up to date.\n",
      run_table(words, arguments));
}

}  // namespace thaw::app
