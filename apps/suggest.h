// Hints at what a mistyped command or option was meant as. specs/cli.md clause 1.6.
#pragma once

#include <string>
#include <vector>

namespace thaw::app {

// "Did you mean --dtype? ", or nothing. `word` is as it was typed, with its dashes;
// `known` are the long names, without theirs.
[[nodiscard]] std::string near_option(const std::string& word,
                                      const std::vector<std::string>& known);
// "Did you mean thaw convert? ", or nothing.
[[nodiscard]] std::string near_command(const std::string& word);

}  // namespace thaw::app
