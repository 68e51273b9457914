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

// One option of a table, as it is parsed and shown.
struct OptionRow {
  std::string name;          // "max-shard-size"
  std::string letter;        // "q"; empty: no short form
  std::string value;         // what its value is called; empty: a switch
  std::string default_word;  // empty: none
  std::string help;
};

// What --help shows of a command, and what man pages and completions are made from.
struct CommandHelp {
  std::string head;  // usage lines and what the command does
  std::vector<OptionRow> options;
  std::string text;  // all of it for a terminal
};

// From what is said above the options, and the table that parses them.
[[nodiscard]] CommandHelp command_help(const char* head,
                                       const boost::program_options::options_description& table);

// An option with a value; `shown` names it in the help, `otherwise` stands where it is not given.
[[nodiscard]] boost::program_options::typed_value<std::string>* text(std::string& to,
                                                                     const char* shown,
                                                                     const char* otherwise = "");

// An error of the command line: one line, and where to read more.
[[nodiscard]] Status usage_error(const std::string& what, const std::string& command);

}  // namespace thaw::app
