// The words of a command: one table each, that parses and shows itself. Boost.Program_options stays
// behind words.cc, because its headers take longer to compile than most files here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace thaw::app {

// What an option takes and where that goes; what is pointed to must outlive the parsing.
struct OptionValue {
  bool* flag = nullptr;                         // a switch, or
  std::string* word = nullptr;                  // a word, or
  std::optional<std::string>* given = nullptr;  // a word that stays empty where there is none
  std::string_view shown = {};  // what the word is called in the help; of `given`, empty: a switch
  std::string_view otherwise = {};  // the word where none is given
};

// A switch.
[[nodiscard]] OptionValue flag(bool& to);
// An option with a word; `shown` names it in the help, `otherwise` stands where it is not given.
[[nodiscard]] OptionValue text(std::string& to, std::string_view shown,
                               std::string_view otherwise = {});
// An option that says whether it was given. With `shown` empty it is a switch, whose word is
// "true".
[[nodiscard]] OptionValue optional_text(std::optional<std::string>& to, std::string_view shown,
                                        std::string_view otherwise = {});

// The options of one command, in the order of its help.
class OptionTable {
 public:
  struct Row {
    std::string name;    // "max-shard-size"
    std::string letter;  // "q"; empty: no short form
    OptionValue value;
    std::string help;
  };

  // `name` is "quiet", or "quiet,q" with a short form.
  void add(std::string_view name, const OptionValue& value, std::string_view help);
  // add() as a function, for tables of many lines.
  [[nodiscard]] auto add_options() {
    return [this](std::string_view name, const OptionValue& value, std::string_view help) {
      add(name, value, help);
    };
  }
  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }

 private:
  std::vector<Row> rows_;
};

// Parses `words` by `table` and returns the words that are no options. Errors: ErrorCode::usage.
[[nodiscard]] Result<std::vector<std::string>> parse_words(const std::vector<std::string>& words,
                                                           const OptionTable& table,
                                                           const std::string& command);

// One option of a table, as it is shown.
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
[[nodiscard]] CommandHelp command_help(const char* head, const OptionTable& table);

// An error of the command line: one line, and where to read more.
[[nodiscard]] Status usage_error(const std::string& what, const std::string& command);

}  // namespace thaw::app
