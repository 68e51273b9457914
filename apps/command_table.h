// All commands and everything about them that --help, man pages and completions say.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "words.h"

namespace thaw::app {

// What a word is, so that a shell can offer it.
enum class WordKind : std::uint8_t { any, choice, path, directory, model, spec };

struct Command {
  std::string_view name;
  std::string_view summary;  // half a line, for lists and man's NAME
  WordKind names;            // what its words are that are no options
  int (*run)(const std::vector<std::string>& words);
  CommandHelp (*help)();
};

// In the order of `thaw --help`.
[[nodiscard]] std::span<const Command> command_table();
// Null when there is none of that name.
[[nodiscard]] const Command* find_command(std::string_view name);

// The options of thaw itself, without a command.
[[nodiscard]] std::vector<OptionRow> program_options();

// "choice", "path", "model"...
[[nodiscard]] std::string_view kind_name(WordKind kind);
// What stands behind an option is told by the option's name and what its value is called, which
// mean the same in every command.
[[nodiscard]] WordKind value_kind(const OptionRow& option);
// The words that an option of kind `choice` takes; none for the others.
[[nodiscard]] std::vector<std::string_view> value_choices(const OptionRow& option);

}  // namespace thaw::app
