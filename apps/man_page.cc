// Manual pages from the heads and options that --help shows.
#include <algorithm>
#include <array>
#include <cctype>

#include "exit_codes.h"
#include "pages.h"

namespace thaw::app {

namespace {

constexpr std::string_view kExitStatus = "EXIT STATUS";

// Text that is set as it is: a dash stays a dash and no line becomes a request.
std::string roff(std::string_view text) {
  std::string set = replaced(replaced(text, "\\", "\\e"), "-", "\\-");
  set = replaced(set, "'", "\\(aq");
  return set.starts_with('.') ? "\\&" + set : set;
}

std::string upper(std::string_view text) {
  std::string letters(text);
  std::transform(letters.begin(), letters.end(), letters.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
  return letters;
}

std::string title(std::string_view page) {
  std::string line = ".TH ";
  line += upper(page) + " 1 " THAW_RELEASE_DATE " \"thaw " THAW_VERSION "\" \"User Commands\"\n";
  return line;
}

std::string section(std::string_view name) {
  const bool many = name.find(' ') != std::string_view::npos;
  std::string line = ".SH ";
  if (many) line += '"';
  line += name;
  if (many) line += '"';
  return line + '\n';
}

std::string tagged(const std::string& tag, std::string_view text) {
  return ".TP\n" + tag + '\n' + roff(text) + '\n';
}

std::string option_text(const OptionRow& option) {
  std::string tag = "\\fB" + roff("--" + option.name) + "\\fR";
  if (!option.value.empty()) tag += " \\fI" + roff(option.value) + "\\fR";
  if (!option.letter.empty()) tag = "\\fB" + roff("-" + option.letter) + "\\fR, " + tag;
  std::string text = option.help;
  if (!option.default_word.empty()) text += " (default: " + option.default_word + ")";
  return tagged(tag, text);
}

std::string options_text(const std::vector<OptionRow>& options) {
  std::string text = section("OPTIONS");
  for (const OptionRow& option : options) text += option_text(option);
  return text;
}

// Lines without their ends; the last one may be without an end.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

bool is_usage(std::string_view line) { return line.starts_with("thaw "); }

std::string synopsis(std::string_view head) {
  std::string text = section("SYNOPSIS");
  const char* separator = "";
  for (const std::string_view line : lines_of(head)) {
    if (!is_usage(line)) continue;
    text += separator;
    text.append(roff(line)).append("\n");
    separator = ".br\n";
  }
  return text;
}

// Paragraphs are filled; lines that are indented stay as they are. The usage lines between them
// say which form is meant, but for the first, which SYNOPSIS has just shown.
std::string description(std::string_view head) {
  std::string text = section("DESCRIPTION");
  bool said = false;  // something stands in the section
  bool new_paragraph = false;
  bool verbatim = false;
  for (const std::string_view line : lines_of(head)) {
    if (line.empty()) {
      new_paragraph = said;
      continue;
    }
    if (is_usage(line) && !said) continue;
    const bool indented = line.starts_with(' ');
    if (verbatim && !indented) text += ".fi\n.RE\n";
    if (new_paragraph && (!verbatim || !indented)) text += ".PP\n";
    if (indented && !verbatim) text += ".RS\n.nf\n";
    if (indented && verbatim && new_paragraph) text += ".sp\n";
    if (is_usage(line) && !new_paragraph) text += ".br\n";
    verbatim = indented;
    new_paragraph = false;
    said = true;
    const std::size_t first = line.find_first_not_of(' ');
    text.append(is_usage(line) ? "\\fB" + roff(line) + "\\fR" : roff(line.substr(first)));
    text += '\n';
  }
  if (verbatim) text += ".fi\n.RE\n";
  return text;
}

std::string exit_status() {
  std::string text = section(kExitStatus);
  for (const ExitCode& code : exit_codes()) {
    text += tagged("\\fB" + std::to_string(code.code) + "\\fR", code.meaning);
  }
  return text;
}

struct Variable {
  const char* name;
  const char* meaning;
};

constexpr std::array kVariables = {
    Variable{"THAW_ISA", "The instruction set to use where --isa is not given."},
    Variable{"THAW_MODELS", "The directory of the model specs."},
    Variable{"HF_HUB_CACHE",
             "The local cache of the Hugging Face hub; also "
             "HUGGINGFACE_HUB_CACHE, HF_HOME and XDG_CACHE_HOME."},
    Variable{"SOURCE_DATE_EPOCH", "The modification time of an archive's members."},
    Variable{"NO_COLOR", "If it is not empty, messages are without colour."},
};

std::string environment() {
  std::string text = section("ENVIRONMENT");
  for (const Variable& variable : kVariables) {
    text += tagged(std::string("\\fB") + variable.name + "\\fR", variable.meaning);
  }
  return text;
}

std::string see_also(std::string_view page) {
  std::string text = section("SEE ALSO");
  std::string separator;
  if (page != "thaw") {
    text += "\\fBthaw\\fR(1)";
    separator = ",\n";
  }
  for (const Command& command : command_table()) {
    const std::string name = std::string("thaw-").append(command.name);
    if (name == page) continue;
    text += separator + "\\fB" + roff(name) + "\\fR(1)";
    separator = ",\n";
  }
  return text + '\n';
}

}  // namespace

std::string man_page() {
  std::string text = title("thaw");
  text += section("NAME");
  text += "thaw \\- turn quantized checkpoints into float safetensors\n";
  text += section("SYNOPSIS");
  text += "\\fBthaw\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n";
  text += section("DESCRIPTION");
  text += roff(
      "Reads AWQ, GPTQ and compressed-tensors checkpoints and writes float checkpoints that "
      "everything else opens. Every weight is the exact value of its code, zero and "
      "scale, rounded once. Memory is bounded, whatever the size of the model, and the "
      "output appears when it is whole or not at all.");
  text += "\n.PP\n";
  text += roff(
      "A MODEL is a directory, a .safetensors file, or org/name[@revision] in the local "
      "Hugging Face cache. The network is never used.");
  text += '\n' + section("COMMANDS");
  for (const Command& command : command_table()) {
    const std::string name(command.name);
    text += ".TP\n\\fBthaw\\-" + name + "\\fR(1)\n" + roff(command.summary) + '\n';
  }
  text += options_text(program_options());
  text += exit_status();
  text += environment();
  return text + see_also("thaw");
}

std::string man_page(const Command& command) {
  const CommandHelp help = command.help();
  const std::string name = std::string("thaw-").append(command.name);
  std::string text = title(name);
  text += section("NAME");
  text += roff(name) + " \\- " + roff(command.summary) + '\n';
  text += synopsis(help.head);
  text += description(help.head);
  text += options_text(help.options);
  text += section(kExitStatus);
  text += "As of \\fBthaw\\fR(1).\n";
  return text + see_also(name);
}

}  // namespace thaw::app
