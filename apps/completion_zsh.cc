#include "pages.h"

namespace thaw::app {

namespace {

constexpr std::string_view kHead = R"sh(#compdef thaw
# zsh completion for thaw; made by: thaw --completion zsh

_thaw_models() {
  _alternative 'directories:directory:_directories' 'shards:shard:_files -g "*.safetensors"'
}

_thaw_specs() {
  local -a names
  names=(${(f)"$(thaw specs 2>/dev/null | awk 'NR > 1 { print $1 }')"})
  _alternative 'specs:model spec:compadd -a names' 'files:file:_files'
}

_thaw() {
  local -a commands
  local command=$words[2]
)sh";

constexpr std::string_view kTail = R"sh(  esac
}

# Loaded by compinit the file is the function; sourced it registers it.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _thaw "$@"
else
  compdef _thaw thaw
fi
)sh";

std::string in_single_quotes(std::string_view text) {
  return joined({"'", replaced(text, "'", "'\\''"), "'"});
}

// In a specification of _arguments, brackets and colons end something.
std::string in_brackets(std::string_view text) {
  return replaced(replaced(replaced(replaced(text, "\\", "\\\\"), "[", "\\["), "]", "\\]"), ":",
                  "\\:");
}

std::string action(WordKind kind) {
  switch (kind) {
    case WordKind::any:
    case WordKind::choice:
      break;
    case WordKind::path:
      return "_files";
    case WordKind::directory:
      return "_directories";
    case WordKind::model:
      return "_thaw_models";
    case WordKind::spec:
      return "_thaw_specs";
  }
  return " ";
}

std::string option_specs(const std::vector<OptionRow>& options) {
  constexpr std::string_view kNext = " \\\n        ";
  std::string text;
  for (const OptionRow& option : options) {
    const std::string help = joined({"[", in_brackets(option.help), "]"});
    std::string spec = joined({"--", option.name});
    if (option.value.empty()) {
      spec += help;
    } else {
      const std::string choices = choice_words(option);
      spec += joined({"=", help, ":", in_brackets(option.value), ":"});
      spec += choices.empty() ? action(value_kind(option)) : joined({"(", choices, ")"});
    }
    text.append(kNext).append(in_single_quotes(spec));
    if (!option.letter.empty()) {
      text.append(kNext).append(in_single_quotes(joined({"-", option.letter, help})));
    }
  }
  return text;
}

}  // namespace

std::string zsh_completion() {
  std::string text(kHead);
  text += "  if ((CURRENT == 2)); then\n    commands=(\n";
  for (const Command& command : command_table()) {
    std::string row(command.name);
    row.append(":").append(in_brackets(command.summary));
    text.append("      ").append(in_single_quotes(row)).append("\n");
  }
  text += "    )\n    _describe command commands\n    _arguments" +
          option_specs(program_options()) + "\n    return\n  fi\n";
  text += "  shift words\n  ((CURRENT--))\n  case $command in\n";
  for (const Command& command : command_table()) {
    const CommandHelp help = command.help();
    text.append("    ").append(command.name).append(")\n      _arguments");
    text.append(option_specs(help.options)).append(" \\\n        '*:name:");
    text.append(action(command.names)).append("'\n      ;;\n");
  }
  text += "    --completion) compadd bash zsh fish ;;\n    --man) compadd";
  for (const Command& command : command_table()) text.append(" ").append(command.name);
  return text.append(" ;;\n").append(kTail);
}

}  // namespace thaw::app
