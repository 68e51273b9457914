#include "arguments.h"

#include <boost/program_options.hpp>
#include <sstream>

#include "archive_values.h"
#include "argument_values.h"
#include "base/text.h"

namespace thaw::app {

namespace {

namespace po = boost::program_options;

struct ConvertWords {
  std::string dtype, rounding, max_shard_size, threads, memory, isa, output_io, report, progress;
  std::string to, level;
};

po::typed_value<std::string>* text(std::string& to, const char* shown, const char* otherwise) {
  return po::value(&to)->value_name(shown)->default_value(otherwise);
}

po::typed_value<std::string>* text(std::string& to, const char* shown) {
  return po::value(&to)->value_name(shown)->default_value("", "");
}

// The one table of `thaw convert`: what is parsed and what --help shows.
po::options_description convert_table(ConvertWords& words, ConvertArguments& to) {
  po::options_description table("Options", 100, 60);
  auto add = table.add_options();
  add("dtype", text(words.dtype, "TYPE", "auto"),
      "auto, float16, bfloat16 or float32; auto follows config.json");
  add("rounding", text(words.rounding, "HOW", "exact"),
      "exact, or via-float16: round to float16 first, then to bfloat16");
  add("allow-overflow", po::bool_switch(&to.options.allow_overflow),
      "let values beyond float16 become infinite");
  add("copy-unknown", po::bool_switch(&to.options.copy_unknown),
      "copy packed tensors that thaw does not read, such as fp8, as they are");
  add("max-shard-size", text(words.max_shard_size, "SIZE", "5GB"),
      "largest output shard; one larger tensor gets a shard of its own");
  add("threads", text(words.threads, "N"), "at most N worker threads (one a processor)");
  add("memory", text(words.memory, "SIZE", "256MB"), "memory of the whole process");
  add("isa", text(words.isa, "NAME"),
      "scalar, ssse3, avx2, avx512 or neon (the best; also THAW_ISA)");
  add("output-io", text(words.output_io, "HOW", "auto"),
      "auto: past the page cache where the disk can; or buffered");
  add("to", text(words.to, "FORMAT"),
      "tar, tar.zst or safetensors (one shard); by OUT's ending; OUT of - is standard output");
  add("level", text(words.level, "N"), "of tar.zst: 1, the fastest, to 22 (1)");
  add("archive-root", text(to.options.archive_root, "NAME"),
      "the archive's top folder (OUT's name, for - MODEL's)");
  add("dry-run", po::bool_switch(&to.dry_run),
      "print the plan, write nothing; OUT may be left out");
  add("json", po::bool_switch(&to.json), "with --dry-run: the plan as JSON");
  add("force", po::bool_switch(&to.options.force), "replace a checkpoint that stands at OUT");
  add("report", text(words.report, "FILE"), "write what was done as JSON (-: standard output)");
  add("progress", text(words.progress, "HOW", "auto"), "auto, bar, plain, json or none");
  add("quiet,q", po::bool_switch(&to.quiet), "print errors only");
  add("help,h", po::bool_switch(&to.help), "print this");
  return table;
}

po::options_description inspect_table(InspectArguments& to) {
  po::options_description table("Options", 100, 60);
  auto add = table.add_options();
  add("json", po::bool_switch(&to.json), "print JSON");
  add("help,h", po::bool_switch(&to.help), "print this");
  return table;
}

// Parses `words` by `table` and returns the words that are no options.
Result<std::vector<std::string>> parse(const std::vector<std::string>& words,
                                       const po::options_description& table,
                                       const std::string& command) {
  po::options_description all;
  std::vector<std::string> rest;
  all.add(table).add_options()("rest", po::value(&rest));
  po::positional_options_description positions;
  positions.add("rest", -1);
  constexpr int kStyle = po::command_line_style::default_style &
                         ~static_cast<int>(po::command_line_style::allow_guessing);
  try {
    po::variables_map map;
    po::store(po::command_line_parser(words).options(all).positional(positions).style(kStyle).run(),
              map);
    po::notify(map);
  } catch (const po::error& error) {
    return usage_error(printable(error.what()), command);
  }
  return rest;
}

template <typename Table>
std::string help_text(const char* head, const Table& table) {
  std::ostringstream out;
  out << head << '\n' << table;
  return out.str();
}

}  // namespace

Status usage_error(const std::string& what, const std::string& command) {
  return fail(ErrorCode::usage, {}, what, "see " + command + " --help");
}

Result<ConvertArguments> parse_convert(const std::vector<std::string>& words) {
  const std::string command = "thaw convert";
  ConvertArguments arguments;
  ConvertWords given;
  THAW_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        parse(words, convert_table(given, arguments), command));
  if (arguments.help) return arguments;
  if (names.empty()) return usage_error("MODEL is missing", command);
  if (names.size() == 1 && !arguments.dry_run) return usage_error("OUT is missing", command);
  if (names.size() > 2) {
    return usage_error("one word too many: " + printable(names[2]), command);
  }
  ConvertOptions& options = arguments.options;
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

  THAW_ASSIGN_OR_RETURN(options.dtype, dtype_value(given.dtype));
  THAW_ASSIGN_OR_RETURN(options.to, to_value(given.to));
  THAW_ASSIGN_OR_RETURN(options.level, level_value(given.level));
  THAW_ASSIGN_OR_RETURN(options.archive_mtime, archive_mtime());
  THAW_ASSIGN_OR_RETURN(options.rounding, rounding_value(given.rounding));
  THAW_ASSIGN_OR_RETURN(options.max_shard_size,
                        size_value("--max-shard-size", given.max_shard_size));
  THAW_ASSIGN_OR_RETURN(options.memory, size_value("--memory", given.memory));
  THAW_ASSIGN_OR_RETURN(options.threads, threads_value(given.threads));
  THAW_ASSIGN_OR_RETURN(options.isa, isa_value(given.isa));
  THAW_ASSIGN_OR_RETURN(options.output_mode, output_mode_value(given.output_io));
  THAW_ASSIGN_OR_RETURN(arguments.progress, progress_value(given.progress));
  return arguments;
}

Result<InspectArguments> parse_inspect(const std::vector<std::string>& words) {
  const std::string command = "thaw inspect";
  InspectArguments arguments;
  THAW_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        parse(words, inspect_table(arguments), command));
  if (arguments.help) return arguments;
  if (names.empty()) return usage_error("MODEL is missing", command);
  if (names.size() > 1) {
    return usage_error("one word too many: " + printable(names[1]), command);
  }
  arguments.model = names[0];
  if (arguments.model.empty()) return usage_error("MODEL is empty", command);
  return arguments;
}

std::string program_help() {
  return "thaw turns AWQ and compressed-tensors checkpoints into float safetensors.\n\n"
         "  thaw convert MODEL OUT [options]   write the float checkpoint to the directory OUT\n"
         "  thaw inspect MODEL [--json]        what MODEL is, and what convert would write\n"
         "  thaw COMMAND --help                all options of a command\n"
         "  thaw --version                     the version and the instruction sets found\n\n"
         "MODEL is a directory, a .safetensors file, or org/name[@revision] in the local\n"
         "Hugging Face cache.\n";
}

std::string convert_help() {
  ConvertWords words;
  ConvertArguments arguments;
  return help_text(
      "thaw convert MODEL OUT [options]\n\n"
      "Writes MODEL, a quantized checkpoint, as a float checkpoint to the directory OUT, which\n"
      "appears when it is whole, or as an archive: OUT.tar, OUT.tar.zst, or - and --to. MODEL is\n"
      "a directory, a .safetensors file, or org/name[@revision] in the local Hugging Face cache.\n"
      "Sizes: 512MB, 5GB, 2GiB.\n",
      convert_table(words, arguments));
}

std::string inspect_help() {
  InspectArguments arguments;
  return help_text(
      "thaw inspect MODEL [--json]\n\n"
      "Says what MODEL is: layouts, groups, types, shards, sizes, problems, and what convert\n"
      "would write. Reads headers, configs and scales.\n",
      inspect_table(arguments));
}

}  // namespace thaw::app
