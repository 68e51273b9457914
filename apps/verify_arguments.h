// The command line of `thaw verify`.
#pragma once

#include <string>
#include <vector>

#include "arguments.h"
#include "convert/verify.h"

namespace thaw::app {

struct VerifyArguments {
  VerifyOptions options;
  bool json = false;
  bool quiet = false;
  bool help = false;
  ProgressMode progress = ProgressMode::automatic;
};

[[nodiscard]] Result<VerifyArguments> parse_verify(const std::vector<std::string>& words);
[[nodiscard]] std::string verify_help();

}  // namespace thaw::app
