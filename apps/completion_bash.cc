#include "pages.h"

namespace thaw::app {

namespace {

constexpr std::string_view kHead = R"sh(# bash completion for thaw; made by: thaw --completion bash

_thaw_offer() { # WHAT WORD [CHOICES]
  local found=()
  case $1 in
    choice) mapfile -t found < <(compgen -W "$3" -- "$2") ;;
    path) mapfile -t found < <(compgen -f -- "$2") ;;
    directory) mapfile -t found < <(compgen -d -- "$2") ;;
    model) mapfile -t found < <(compgen -d -- "$2"; compgen -f -X '!*.safetensors' -- "$2") ;;
    spec)
      mapfile -t found < <(compgen -W "$("$program" specs 2>/dev/null | awk 'NR > 1 { print $1 }')" \
        -- "$2"; compgen -f -- "$2")
      ;;
  esac
  COMPREPLY=("${found[@]}")
  # Outside of a completion, as in a test, there is nothing to set.
  if [[ $1 != choice ]]; then compopt -o filenames 2>/dev/null || :; fi
}

_thaw() {
  local program=${COMP_WORDS[0]} command='' options='' names=any commands=''
  local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  # bash makes three words of --option=value.
  if [[ $word == = ]]; then
    word=''
  elif [[ $last == = ]]; then
    last=${COMP_WORDS[COMP_CWORD-2]}
  fi
  if [[ $COMP_CWORD -gt 1 ]]; then command=${COMP_WORDS[1]}; fi
  case "$command $last" in
)sh";

constexpr std::string_view kMiddle = R"sh(  esac
  case $command in
)sh";

constexpr std::string_view kTail = R"sh(  esac
  if [[ $word == -* ]]; then
    _thaw_offer choice "$word" "$options"
  else
    _thaw_offer "$names" "$word" "$commands"
  fi
}
complete -F _thaw thaw
)sh";

// The words behind each option that has a value.
std::string value_cases(std::string_view command, const std::vector<OptionRow>& options) {
  std::string text;
  for (const OptionRow& option : options) {
    if (option.value.empty()) continue;
    text.append("    '").append(command).append(" --").append(option.name).append("') ");
    text.append("_thaw_offer ").append(kind_name(value_kind(option))).append(" \"$word\"");
    const std::string choices = choice_words(option);
    if (!choices.empty()) text.append(" '").append(choices).append("'");
    text += "; return ;;\n";
  }
  return text;
}

std::string option_words(const std::vector<OptionRow>& options) {
  std::string text;
  for (const OptionRow& option : options) {
    if (!text.empty()) text += ' ';
    if (!option.letter.empty()) text.append("-").append(option.letter).append(" ");
    text.append("--").append(option.name);
  }
  return text;
}

}  // namespace

std::string bash_completion() {
  std::string text(kHead);
  std::string cases;
  std::string commands;
  for (const Command& command : command_table()) {
    const CommandHelp help = command.help();
    text += value_cases(command.name, help.options);
    cases.append("    ").append(command.name).append(")\n      names=");
    cases.append(kind_name(command.names)).append("\n      options='");
    cases.append(option_words(help.options)).append("'\n      ;;\n");
    if (!commands.empty()) commands += ' ';
    commands += command.name;
  }
  // Without a command its option stands where the command would.
  text +=
      "    '--completion --completion') _thaw_offer choice \"$word\" 'bash zsh fish'; return ;;\n";
  text.append("    '--man --man') _thaw_offer choice \"$word\" '").append(commands);
  text.append("'; return ;;\n").append(kMiddle).append(cases);
  text.append("    '')\n      names=choice\n      options='");
  text.append(option_words(program_options())).append("'\n      commands='").append(commands);
  return text.append("'\n      ;;\n").append(kTail);
}

}  // namespace thaw::app
