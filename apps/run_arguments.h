// The words of `thaw run`.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "job/queue.h"
#include "words.h"

namespace thaw::app {

struct RunArguments {
  std::vector<std::string> paths;  // job files and directories of them
  QueueOptions queue;
  std::string state_directory;  // empty: beside each job file
  std::string log;              // empty: none
  std::string metrics;          // empty: none
  bool status = false;
  bool dry_run = false;
  bool json = false;
  bool quiet = false;
  bool help = false;
};

// Errors: ErrorCode::usage. With `help` set nothing else was checked.
[[nodiscard]] Result<RunArguments> parse_run(const std::vector<std::string>& words);
[[nodiscard]] CommandHelp run_help();

}  // namespace thaw::app
