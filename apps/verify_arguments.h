// The command line of `thaw verify`.
#pragma once

#include <string>
#include <vector>

#include "arguments.h"
#include "verify/verify.h"
#include "words.h"

namespace thaw::app {

struct VerifyArguments {
  VerifyOptions options;
  bool json = false;
  bool quiet = false;
  bool help = false;
  ProgressMode progress = ProgressMode::automatic;
};

[[nodiscard]] Result<VerifyArguments> parse_verify(const std::vector<std::string>& words);
[[nodiscard]] CommandHelp verify_help();

}  // namespace thaw::app
