#include "pages.h"

#include "base/text.h"
#include "exit_codes.h"
#include "json_out.h"
#include "terminal.h"

namespace thaw::app {

namespace {

void add_options(JsonOut& out, const std::vector<OptionRow>& options) {
  out.begin_array("options");
  for (const OptionRow& option : options) {
    out.begin_object();
    out.member("name", option.name);
    if (!option.letter.empty()) out.member("letter", option.letter);
    if (!option.value.empty()) {
      out.member("value", option.value);
      out.member("kind", kind_name(value_kind(option)));
    }
    if (!option.default_word.empty()) out.member("default", option.default_word);
    const std::vector<std::string_view> choices = value_choices(option);
    if (!choices.empty()) out.member("choices", {choices.begin(), choices.end()});
    out.member("help", option.help);
    out.end_object();
  }
  out.end_array();
}

// The page that is asked for. Errors: ErrorCode::usage.
Result<std::string> page(std::string_view option, const std::vector<std::string>& words) {
  const std::string asked = words.empty() ? std::string() : words[0];
  if (words.size() > 1 || (option == "--describe" && !words.empty())) {
    return usage_error("one word too many: " + printable(words.back()), "thaw");
  }
  if (option == "--describe") return description_json();
  if (option == "--man") {
    if (asked.empty()) return man_page();
    if (const Command* const command = find_command(asked)) return man_page(*command);
    return usage_error("unknown command: " + printable(asked), "thaw");
  }
  if (asked == "bash") return bash_completion();
  if (asked == "zsh") return zsh_completion();
  if (asked == "fish") return fish_completion();
  return fail(ErrorCode::usage, {}, "--completion", printable(asked), "bash, zsh or fish");
}

}  // namespace

std::string description_json() {
  JsonOut out;
  out.begin_object();
  out.member("version", THAW_VERSION);
  out.begin_array("commands");
  for (const Command& command : command_table()) {
    const CommandHelp help = command.help();
    out.begin_object();
    out.member("name", command.name);
    out.member("summary", command.summary);
    out.member("head", help.head);
    out.member("names", kind_name(command.names));
    add_options(out, help.options);
    out.end_object();
  }
  out.end_array();
  add_options(out, program_options());
  out.begin_array("exit_codes");
  for (const ExitCode& code : exit_codes()) {
    out.begin_object();
    out.member("code", std::uint64_t{code.code});
    out.member("name", code.name);
    out.member("meaning", code.meaning);
    out.end_object();
  }
  out.end_array();
  out.end_object();
  return std::move(out).take();
}

int run_page(std::string_view option, const std::vector<std::string>& words) {
  const Result<std::string> text = page(option, words);
  if (!text.ok()) return print_error(text.error());
  const Status written = write_stdout(text.value());
  return written.ok() ? 0 : print_error(written.error());
}

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text += part;
  return text;
}

std::string choice_words(const OptionRow& option) {
  std::string text;
  for (const std::string_view word : value_choices(option)) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

std::string replaced(std::string_view text, std::string_view what, std::string_view by) {
  std::string result;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what)) {
    result.append(text.substr(0, at)).append(by);
    text.remove_prefix(at + what.size());
  }
  return result.append(text);
}

}  // namespace thaw::app
