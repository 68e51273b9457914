// Hints at what a mistyped command or option was meant as. specs/cli.md clause 1.6.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

namespace thaw::app {

// "Did you mean --dtype? ", or nothing. `word` is as it was typed, with its dashes.
[[nodiscard]] std::string near_option(const std::string& word,
                                      const boost::program_options::options_description& table);
// "Did you mean thaw convert? ", or nothing.
[[nodiscard]] std::string near_command(const std::string& word);

}  // namespace thaw::app
