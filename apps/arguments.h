// The command line as values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "prepare/options.h"
#include "words.h"

namespace thaw::app {

enum class ProgressMode : std::uint8_t { automatic, bar, plain, json, none };

struct ConvertArguments {
  ConvertOptions options;
  bool dry_run = false;
  bool json = false;
  bool quiet = false;
  bool help = false;
  ProgressMode progress = ProgressMode::automatic;
  std::string report;  // empty: none
};

struct InspectArguments {
  std::string model;
  std::string html;  // empty: none
  bool details = false;
  bool json = false;
  bool help = false;
};

// `words` are what follows the sub-command's name. Errors: ErrorCode::usage. With `help` set
// nothing else was checked.
[[nodiscard]] Result<ConvertArguments> parse_convert(const std::vector<std::string>& words);
[[nodiscard]] Result<InspectArguments> parse_inspect(const std::vector<std::string>& words);

[[nodiscard]] std::string program_help();
[[nodiscard]] CommandHelp convert_help();
[[nodiscard]] CommandHelp inspect_help();

}  // namespace thaw::app
