#include "command_table.h"

#include <algorithm>
#include <array>

#include "arguments.h"
#include "commands.h"
#include "run_arguments.h"
#include "specs_arguments.h"
#include "verify_arguments.h"

namespace thaw::app {

namespace {

constexpr std::array kCommands = {
    Command{"convert", "write a quantized checkpoint as a float one", WordKind::model, run_convert,
            convert_help},
    Command{"inspect", "say what a checkpoint is, and what convert would write", WordKind::model,
            run_inspect, inspect_help},
    Command{"verify", "prove that a converted checkpoint is what convert would write",
            WordKind::model, run_verify, verify_help},
    Command{"compare", "say how far two checkpoints are apart, and why", WordKind::model,
            run_compare, compare_help},
    Command{"specs", "list, print or draft model specs", WordKind::spec, run_specs, specs_help},
    Command{"run", "run conversions that are written down, as a queue", WordKind::path, run_run,
            run_help},
};

struct Choices {
  std::string_view option;
  std::string_view words;
};

// What the parsers accept; tests/cli/test_pages.py holds them against each other.
constexpr std::array kChoices = {
    Choices{"dtype", "auto float16 bfloat16 float32"},
    Choices{"rounding", "exact via-float16"},
    Choices{"isa", "scalar ssse3 avx2 avx512 neon"},
    Choices{"output-io", "auto buffered"},
    Choices{"to", "tar tar.zst safetensors"},
    Choices{"progress", "auto bar plain json none"},
    Choices{"completion", "bash zsh fish"},
};

struct Kind {
  std::string_view value;
  WordKind kind;
};

constexpr std::array kKinds = {
    Kind{"FILE", WordKind::path},     Kind{"FILE.html", WordKind::path},
    Kind{"DIR", WordKind::directory}, Kind{"MODEL", WordKind::model},
    Kind{"FLOAT", WordKind::model},
};

const Choices* find_choices(std::string_view option) {
  const auto* found = std::find_if(kChoices.begin(), kChoices.end(), [&](const Choices& choices) {
    return choices.option == option;
  });
  return found == kChoices.end() ? nullptr : &*found;
}

}  // namespace

std::span<const Command> command_table() { return kCommands; }

const Command* find_command(std::string_view name) {
  for (const Command& command : kCommands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

std::vector<OptionRow> program_options() {
  return {
      {"help", "h", "", "", "print what the commands are"},
      {"version", "", "", "", "print the version and the instruction sets found"},
      {"man", "", "[COMMAND]", "", "print the manual page, as man reads it"},
      {"completion", "", "SHELL", "", "print the completions of bash, zsh or fish"},
      {"describe", "", "", "", "print all commands, options and exit codes as JSON"},
  };
}

std::string_view kind_name(WordKind kind) {
  switch (kind) {
    case WordKind::any:
      break;
    case WordKind::choice:
      return "choice";
    case WordKind::path:
      return "path";
    case WordKind::directory:
      return "directory";
    case WordKind::model:
      return "model";
    case WordKind::spec:
      return "spec";
  }
  return "any";
}

WordKind value_kind(const OptionRow& option) {
  if (option.value.empty()) return WordKind::any;
  if (find_choices(option.name) != nullptr) return WordKind::choice;
  if (option.name == "spec") return WordKind::spec;
  for (const Kind& kind : kKinds) {
    if (kind.value == option.value) return kind.kind;
  }
  return WordKind::any;
}

std::vector<std::string_view> value_choices(const OptionRow& option) {
  std::vector<std::string_view> words;
  const Choices* const choices = option.value.empty() ? nullptr : find_choices(option.name);
  if (choices == nullptr) return words;
  for (std::string_view rest = choices->words; !rest.empty();) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    words.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return words;
}

}  // namespace thaw::app
