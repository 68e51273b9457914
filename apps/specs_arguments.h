// The command line of thaw specs.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "words.h"

namespace thaw::app {

struct SpecsArguments {
  std::string name;    // empty: list all
  std::string derive;  // the checkpoint to draft a spec from; empty: none
  bool json = false;
  bool help = false;
};

// As parse_inspect.
[[nodiscard]] Result<SpecsArguments> parse_specs(const std::vector<std::string>& words);
[[nodiscard]] CommandHelp specs_help();

}  // namespace thaw::app
