#include "pages.h"

namespace thaw::app {

namespace {

constexpr std::string_view kHead = R"sh(# fish completion for thaw; made by: thaw --completion fish

function __thaw_specs
    thaw specs 2>/dev/null | awk 'NR > 1 { print $1 }'
end

function __thaw_models
    __fish_complete_directories (commandline -ct)
    __fish_complete_suffix .safetensors
end

complete -c thaw -f
)sh";

std::string in_single_quotes(std::string_view text) {
  return joined({"'", replaced(replaced(text, "\\", "\\\\"), "'", "\\'"), "'"});
}

// The arguments of `complete` that say what stands behind an option or a command.
std::string_view words(WordKind kind) {
  switch (kind) {
    case WordKind::any:
    case WordKind::choice:
      break;
    case WordKind::path:
      return " -F";
    case WordKind::directory:
      return " -a '(__fish_complete_directories (commandline -ct))'";
    case WordKind::model:
      return " -a '(__thaw_models)'";
    case WordKind::spec:
      return " -F -a '(__thaw_specs)'";
  }
  return "";
}

std::string option_lines(const std::string& condition, const std::vector<OptionRow>& options) {
  std::string text;
  for (const OptionRow& option : options) {
    text += joined({"complete -c thaw -n ", in_single_quotes(condition), " -l ", option.name});
    if (!option.letter.empty()) text += joined({" -s ", option.letter});
    if (!option.value.empty()) {
      const WordKind kind = value_kind(option);
      const std::string choices = choice_words(option);
      // A value is needed; files only where one is meant.
      text += kind == WordKind::path || kind == WordKind::spec ? " -r" : " -x";
      text +=
          choices.empty() ? std::string(words(kind)) : joined({" -a ", in_single_quotes(choices)});
    }
    text += joined({" -d ", in_single_quotes(option.help), "\n"});
  }
  return text;
}

}  // namespace

std::string fish_completion() {
  std::string text(kHead);
  text += option_lines("__fish_use_subcommand", program_options());
  for (const Command& command : command_table()) {
    const std::string condition = joined({"__fish_seen_subcommand_from ", command.name});
    text += joined({"complete -c thaw -n __fish_use_subcommand -a ", command.name, " -d ",
                    in_single_quotes(command.summary), "\n"});
    text +=
        joined({"complete -c thaw -n ", in_single_quotes(condition), words(command.names), "\n"});
    text += option_lines(condition, command.help().options);
  }
  return text;
}

}  // namespace thaw::app
