// What is made from the table of commands for shells, man and programs. The same program gives the
// same bytes. specs/cli.md clause 8.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "command_table.h"

namespace thaw::app {

// Manual pages of section 1 in man's macros: of thaw, and of one command.
[[nodiscard]] std::string man_page();
[[nodiscard]] std::string man_page(const Command& command);

// Completions, each a file to be installed where the shell looks for it, or to be sourced.
[[nodiscard]] std::string bash_completion();
[[nodiscard]] std::string zsh_completion();
[[nodiscard]] std::string fish_completion();

// All commands, options and exit codes as JSON.
[[nodiscard]] std::string description_json();

// `thaw --man`, `--completion` and `--describe`, with what follows them. Returns the exit code.
[[nodiscard]] int run_page(std::string_view option, const std::vector<std::string>& words);

[[nodiscard]] std::string joined(std::initializer_list<std::string_view> parts);
// The choices of an option with a blank between two.
[[nodiscard]] std::string choice_words(const OptionRow& option);
// A copy of `text` with every `what` replaced by `by`.
[[nodiscard]] std::string replaced(std::string_view text, std::string_view what,
                                   std::string_view by);

}  // namespace thaw::app
