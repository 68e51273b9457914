// What the tables of options of the commands share.
#pragma once

#include <boost/program_options.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/status.h"

namespace thaw::app {

// An option with a value; `shown` names it in the help, `otherwise` is its default.
boost::program_options::typed_value<std::string>* text(std::string& to, const char* shown,
                                                       const char* otherwise);
boost::program_options::typed_value<std::string>* text(std::string& to, const char* shown);

// Parses `words` by `table` and returns the words that are no options. Errors: ErrorCode::usage.
[[nodiscard]] Result<std::vector<std::string>> parse_words(
    const std::vector<std::string>& words, const boost::program_options::options_description& table,
    const std::string& command);

template <typename Table>
std::string help_text(const char* head, const Table& table) {
  std::ostringstream out;
  out << head << '\n' << table;
  return out.str();
}

}  // namespace thaw::app
