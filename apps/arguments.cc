#include "arguments.h"

#include <optional>

#include "archive_values.h"
#include "argument_values.h"
#include "base/text.h"
#include "examples.h"
#include "prepare/option_table.h"
#include "words.h"

namespace thaw::app {

namespace {

// The one table of `thaw convert`: what is parsed and what --help shows. The options of the
// conversion come from the library; `given` has the word of each.
struct ConvertWords {
  std::vector<std::optional<std::string>> given =
      std::vector<std::optional<std::string>>(option_table().size());
  std::string report, progress;
};

OptionTable convert_table(ConvertWords& words, ConvertArguments& to) {
  OptionTable table;
  auto add = table.add_options();
  for (std::size_t i = 0; i < option_table().size(); ++i) {
    const OptionEntry& entry = option_table()[i];
    add(entry.name, optional_text(words.given[i], entry.value, entry.otherwise), entry.help);
  }
  add("dry-run", flag(to.dry_run), "print the plan, write nothing; OUT may be left out");
  add("json", flag(to.json), "with --dry-run: the plan as JSON");
  add("report", text(words.report, "FILE"), "write what was done as JSON (-: standard output)");
  add("progress", text(words.progress, "HOW", "auto"), "auto, bar, plain, json or none");
  add("quiet,q", flag(to.quiet), "print errors only");
  add("help,h", flag(to.help), "print this");
  return table;
}

// Sets what was given, in the order of the table.
Status apply_options(const ConvertWords& words, ConvertOptions& options) {
  for (std::size_t i = 0; i < option_table().size(); ++i) {
    if (words.given[i]) THAW_RETURN_IF_ERROR(option_table()[i].apply(options, *words.given[i]));
  }
  return {};
}

OptionTable inspect_table(InspectArguments& to) {
  OptionTable table;
  auto add = table.add_options();
  add("json", flag(to.json), "print JSON");
  add("details", flag(to.details),
      "why each group of linears was recognised, with the shapes of its tensors");
  add("html", text(to.html, "FILE"), "write a page with maps and a table");
  add("help,h", flag(to.help), "print this");
  return table;
}

}  // namespace

Result<ConvertArguments> parse_convert(const std::vector<std::string>& words) {
  const std::string command = "thaw convert";
  ConvertArguments arguments;
  ConvertWords given;
  THAW_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        parse_words(words, convert_table(given, arguments), command));
  if (arguments.help) return arguments;
  ConvertOptions& options = arguments.options;
  THAW_RETURN_IF_ERROR(apply_options(given, options));
  THAW_ASSIGN_OR_RETURN(options.archive_mtime, archive_mtime());
  if (options.isa.empty()) {
    THAW_ASSIGN_OR_RETURN(options.isa, isa_value(""));
  }
  if (names.empty()) return usage_error("MODEL is missing", command);
  if (names.size() == 1 && !arguments.dry_run && !options.in_place) {
    return usage_error("OUT is missing", command);
  }
  if (names.size() > 2) {
    return usage_error("one word too many: " + printable(names[2]), command);
  }
  options.model = names[0];
  if (names.size() == 2) options.out = names[1];
  if (options.model.empty()) return usage_error("MODEL is empty", command);
  if (names.size() == 2 && options.out.empty()) return usage_error("OUT is empty", command);
  if (options.out == "-" && given.report == "-") {
    return usage_error("standard output cannot take the output and the report", command);
  }
  if (arguments.json && !arguments.dry_run) return usage_error("--json needs --dry-run", command);
  if (arguments.dry_run && !given.report.empty()) {
    return usage_error("--report needs a conversion: use --dry-run --json", command);
  }
  arguments.report = given.report;

  THAW_ASSIGN_OR_RETURN(arguments.progress, progress_value(given.progress));
  return arguments;
}

Result<InspectArguments> parse_inspect(const std::vector<std::string>& words) {
  const std::string command = "thaw inspect";
  InspectArguments arguments;
  THAW_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        parse_words(words, inspect_table(arguments), command));
  if (arguments.help) return arguments;
  if (names.empty()) return usage_error("MODEL is missing", command);
  if (names.size() > 1) {
    return usage_error("one word too many: " + printable(names[1]), command);
  }
  if (arguments.html == "-" && arguments.json) {
    return usage_error("standard output cannot take the page and --json", command);
  }
  if (arguments.details && arguments.json) {
    return usage_error("--json has all details already", command);
  }
  arguments.model = names[0];
  if (arguments.model.empty()) return usage_error("MODEL is empty", command);
  return arguments;
}

std::string program_help() {
  return "thaw turns AWQ, GPTQ and compressed-tensors checkpoints into float safetensors.\n\n"
         "  thaw convert MODEL OUT [options]   write the float checkpoint to the directory OUT\n"
         "  thaw inspect MODEL [--json]        what MODEL is, and what convert would write\n"
         "  thaw verify OUT --against MODEL    whether OUT is what convert would write\n"
         "  thaw specs [NAME]                  the model specs that are known, or one of them\n"
         "  thaw run JOB.json... | DIR         conversions that are written down, as a queue\n"
         "  thaw compare A B                   how far two checkpoints are apart, and why\n"
         "  thaw COMMAND --help                all options of a command\n"
         "  thaw --version                     the version and the instruction sets found\n"
         "  thaw --man [COMMAND]               the manual page: thaw --man | man -l -\n"
         "  thaw --completion bash|zsh|fish    completions, to be sourced by the shell\n"
         "  thaw --describe                    commands, options and exit codes as JSON\n\n"
         "MODEL is a directory, a .safetensors file, or org/name[@revision] in the local\n"
         "Hugging Face cache.\n" +
         program_examples();
}

CommandHelp convert_help() {
  ConvertWords words;
  ConvertArguments arguments;
  CommandHelp help = command_help(
      "thaw convert MODEL OUT [options]\n\n"
      "Writes MODEL, a quantized checkpoint, as a float checkpoint to the directory OUT, which\n"
      "appears when it is whole, or as an archive: OUT.tar, OUT.tar.zst, or - and --to. MODEL is\n"
      "a directory, a .safetensors file, or org/name[@revision] in the local Hugging Face cache.\n"
      "Sizes: 512MB, 5GB, 2GiB.\n\n"
      "thaw convert MODEL OUT --base FLOAT [options]\n"
      "thaw convert MODEL --base FLOAT --in-place [options]\n\n"
      "Writes FLOAT, the float model that MODEL was made from, with the blocks of MODEL: its\n"
      "names, types, shards, config and all other files stay. The second form replaces FLOAT.\n",
      convert_table(words, arguments));
  help.text += convert_examples();
  return help;
}

CommandHelp inspect_help() {
  InspectArguments arguments;
  return command_help(
      "thaw inspect MODEL [--details | --json] [--html FILE]\n\n"
      "Says what MODEL is: layouts, groups, types, shards, sizes, problems, and what convert\n"
      "would write. Reads headers, configs and scales.\n",
      inspect_table(arguments));
}

}  // namespace thaw::app
