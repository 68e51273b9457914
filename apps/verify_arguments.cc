#include "verify_arguments.h"

#include "argument_values.h"
#include "base/text.h"
#include "words.h"

namespace thaw::app {

namespace {

struct VerifyWords {
  std::string against, base, spec, take, leave, dtype, rounding, max_shard_size, threads, memory,
      isa, progress;
  bool no_certificate = false;
  bool no_match_check = false;
};

OptionTable verify_table(VerifyWords& words, VerifyArguments& to) {
  OptionTable table;
  ConvertOptions& options = to.options.conversion;
  auto add = table.add_options();
  add("against", text(words.against, "MODEL"), "the quantized model that OUT was made from");
  add("base", text(words.base, "FLOAT"),
      "of an overlay: the float model whose blocks were replaced");
  add("spec", text(words.spec, "NAME"), "of an overlay: the model spec, by name or path");
  add("take", text(words.take, "NAMES"), "as of convert");
  add("leave", text(words.leave, "NAMES"), "as of convert");
  add("no-match-check", flag(words.no_match_check), "as of convert");
  add("dtype", text(words.dtype, "TYPE"), "as of convert (as OUT has it)");
  add("rounding", text(words.rounding, "HOW"), "as of convert (as a sample of OUT has it)");
  add("max-shard-size", text(words.max_shard_size, "SIZE"), "as of convert (as OUT is divided)");
  add("copy-unknown", flag(options.copy_unknown), "as of convert");
  add("keep-names", flag(options.keep_names), "as of convert");
  add("strict", flag(options.strict), "as of convert");
  add("this-file-only", flag(options.this_file_only), "as of convert");
  add("allow-overflow", flag(options.allow_overflow), "as of convert");
  add("no-certificate", flag(words.no_certificate), "compare bytes only, do not recover the codes");
  add("threads", text(words.threads, "N"), "at most N worker threads (one a processor)");
  add("memory", text(words.memory, "SIZE", "256MB"), "memory of the whole process");
  add("isa", text(words.isa, "NAME"),
      "scalar, ssse3, avx2, avx512 or neon (the best; also THAW_ISA)");
  add("json", flag(to.json), "print JSON, with every tensor");
  add("progress", text(words.progress, "HOW", "auto"), "auto, bar, plain, json or none");
  add("quiet,q", flag(to.quiet), "print errors and differences only");
  add("help,h", flag(to.help), "print this");
  return table;
}

}  // namespace

Result<VerifyArguments> parse_verify(const std::vector<std::string>& words) {
  const std::string command = "thaw verify";
  VerifyArguments arguments;
  VerifyWords given;
  THAW_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        parse_words(words, verify_table(given, arguments), command));
  if (arguments.help) return arguments;
  if (names.empty() || names[0].empty()) return usage_error("OUT is missing", command);
  if (names.size() > 1) {
    return fail(ErrorCode::usage, {}, "one word too many: " + printable(names[1]),
                "Did you mean thaw verify " + printable(names[0]) + " --against " +
                    printable(names[1]) + "? See " + command + " --help");
  }
  VerifyOptions& options = arguments.options;
  ConvertOptions& conversion = options.conversion;
  options.out = names[0];
  conversion.model = given.against;
  conversion.base = given.base;
  conversion.spec = given.spec;
  if (given.against.empty() && !given.base.empty()) {
    return usage_error("--base needs --against", command);
  }
  for (const auto& [name, word] :
       {std::pair("take", &given.take), std::pair("leave", &given.leave),
        std::pair("dtype", &given.dtype), std::pair("rounding", &given.rounding),
        std::pair("max-shard-size", &given.max_shard_size), std::pair("memory", &given.memory),
        std::pair("threads", &given.threads), std::pair("isa", &given.isa)}) {
    THAW_RETURN_IF_ERROR(apply_option(conversion, name, *word));
  }
  options.infer_rounding = given.rounding.empty();
  options.infer_shard_size = given.max_shard_size.empty();
  options.certificate = !given.no_certificate;
  conversion.match_check = !given.no_match_check;
  if (conversion.isa.empty()) {
    THAW_ASSIGN_OR_RETURN(conversion.isa, isa_value(""));
  }
  THAW_ASSIGN_OR_RETURN(arguments.progress, progress_value(given.progress));
  return arguments;
}

CommandHelp verify_help() {
  VerifyWords words;
  VerifyArguments arguments;
  return command_help(
      "thaw verify OUT --against MODEL [--base FLOAT] [options]\n"
      "thaw verify OUT\n\n"
      "Makes every byte that a conversion of MODEL would write and compares it with OUT; then\n"
      "recovers the integer codes from the written values and compares them with MODEL's. What\n"
      "the options do not say is inferred from OUT. Without --against: compares the files of\n"
      "OUT with its SHA256SUMS. Writes nothing. Exit code 7 when something differs.\n",
      verify_table(words, arguments));
}

}  // namespace thaw::app
