// The sub-commands. Each returns the process's exit code.
#pragma once

#include <string>
#include <vector>

#include "words.h"

namespace thaw::app {

[[nodiscard]] int run_convert(const std::vector<std::string>& words);
[[nodiscard]] int run_inspect(const std::vector<std::string>& words);
[[nodiscard]] int run_run(const std::vector<std::string>& words);
[[nodiscard]] int run_specs(const std::vector<std::string>& words);
[[nodiscard]] int run_verify(const std::vector<std::string>& words);
[[nodiscard]] int run_compare(const std::vector<std::string>& words);

[[nodiscard]] CommandHelp compare_help();

}  // namespace thaw::app
