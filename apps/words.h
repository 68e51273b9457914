// The words of a command by Boost.Program_options: one table each, that parses and shows itself.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

#include "base/status.h"

namespace thaw::app {

// Parses `words` by `table` and returns the words that are no options. Errors: ErrorCode::usage.
[[nodiscard]] Result<std::vector<std::string>> parse_words(
    const std::vector<std::string>& words, const boost::program_options::options_description& table,
    const std::string& command);

// `head`, an empty line, and the table as --help shows it.
[[nodiscard]] std::string help_text(const char* head,
                                    const boost::program_options::options_description& table);

// An option with a value; `shown` names it in the help, `otherwise` stands where it is not given.
[[nodiscard]] boost::program_options::typed_value<std::string>* text(std::string& to,
                                                                     const char* shown,
                                                                     const char* otherwise = "");

// An error of the command line: one line, and where to read more.
[[nodiscard]] Status usage_error(const std::string& what, const std::string& command);

}  // namespace thaw::app
