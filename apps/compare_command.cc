#include <charconv>
#include <cmath>

#include "argument_values.h"
#include "arguments.h"
#include "base/text.h"
#include "commands.h"
#include "compare_summary.h"
#include "html_page.h"
#include "html_reports.h"
#include "io/file_system.h"
#include "model_specs.h"
#include "progress.h"
#include "signals.h"
#include "terminal.h"
#include "watcher.h"
#include "words.h"

namespace thaw::app {

namespace {

struct CompareArguments {
  CompareOptions options;
  std::optional<double> fail_above;
  std::string html;  // empty: none
  bool json = false;
  bool help = false;
  ProgressMode progress = ProgressMode::automatic;
};

struct CompareWords {
  std::string fail_above, threads, memory, isa, progress;
};

OptionTable compare_table(CompareWords& words, CompareArguments& to) {
  OptionTable table;
  auto add = table.add_options();
  add("fail-above", text(words.fail_above, "X"),
      "exit code 7 when the relative error of a tensor is above X");
  add("threads", text(words.threads, "N"), "at most N worker threads (one a processor)");
  add("memory", text(words.memory, "SIZE", "256MB"), "memory of the whole process");
  add("isa", text(words.isa, "NAME"),
      "scalar, ssse3, avx2, avx512 or neon (the best; also THAW_ISA)");
  add("json", flag(to.json), "print JSON, with every tensor");
  add("html", text(to.html, "FILE"), "write a page with maps, pictures and a table");
  add("progress", text(words.progress, "HOW", "auto"), "auto, bar, plain, json or none");
  add("help,h", flag(to.help), "print this");
  return table;
}

Result<std::optional<double>> limit_value(const std::string& word) {
  if (word.empty()) return std::optional<double>();
  double value = 0;
  const char* const end = word.data() + word.size();
  const auto [stop, problem] = std::from_chars(word.data(), end, value);
  if (problem != std::errc() || stop != end || !(value >= 0) || std::isinf(value)) {
    return fail(ErrorCode::usage, {}, "--fail-above", printable(word),
                "a number such as 0.05, not negative");
  }
  return std::optional(value);
}

Result<CompareArguments> parse_compare(const std::vector<std::string>& words) {
  const std::string command = "thaw compare";
  CompareArguments arguments;
  CompareWords given;
  THAW_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        parse_words(words, compare_table(given, arguments), command));
  if (arguments.help) return arguments;
  if (names.size() < 2) return usage_error("two checkpoints are needed, A and B", command);
  if (names.size() > 2) {
    return usage_error("one word too many: " + printable(names[2]), command);
  }
  if (names[0].empty() || names[1].empty()) return usage_error("A or B is empty", command);
  if (arguments.html == "-" && arguments.json) {
    return usage_error("standard output cannot take the page and --json", command);
  }
  arguments.options.a = names[0];
  arguments.options.b = names[1];
  THAW_ASSIGN_OR_RETURN(arguments.fail_above, limit_value(given.fail_above));
  THAW_ASSIGN_OR_RETURN(arguments.options.memory, size_value("--memory", given.memory));
  THAW_ASSIGN_OR_RETURN(arguments.options.threads, threads_value(given.threads));
  THAW_ASSIGN_OR_RETURN(arguments.options.isa, isa_value(given.isa));
  THAW_ASSIGN_OR_RETURN(arguments.progress, progress_value(given.progress));
  return arguments;
}

// Why the exit code is 7; empty when it is 0.
std::string complaint(const CompareArguments& arguments, const CompareReport& report) {
  std::string what;
  if (!report.same_names_and_shapes()) {
    what = std::to_string(report.only_a.size() + report.only_b.size()) +
           " names stand on one side only, " + std::to_string(report.shapes.size()) +
           " shapes differ";
  }
  if (arguments.fail_above && exceeds(report, *arguments.fail_above)) {
    if (!what.empty()) what += "; ";
    what += "a tensor differs by more than --fail-above";
  }
  return what;
}

Status write_page(const CompareArguments& arguments, const CompareReport& report,
                  ReportFile& page) {
  if (arguments.html.empty()) return {};
  THAW_ASSIGN_OR_RETURN(const std::string text, compare_html(report, arguments.fail_above));
  return page.write(text);
}

}  // namespace

CommandHelp compare_help() {
  CompareWords words;
  CompareArguments arguments;
  return command_help(
      "thaw compare A B [options]\n\n"
      "Compares two checkpoints, float or quantized, tensor by tensor: how far B is from A, the\n"
      "worst first, and which known mistake explains it. Exit code 7 when names or shapes\n"
      "differ.\n",
      compare_table(words, arguments));
}

int run_compare(const std::vector<std::string>& words) {
  Result<CompareArguments> parsed = parse_compare(words);
  if (!parsed.ok()) return print_error(parsed.error());
  CompareArguments& arguments = parsed.value();
  if (arguments.help) {
    const Status written = write_stdout_facts(compare_help().text);
    return written.ok() ? 0 : print_error(written.error());
  }
  arguments.options.model_specs = model_specs_directory();
  Result<ReportFile> page = open_page(arguments.html);
  if (!page.ok()) return print_error(page.error());
  const std::unique_ptr<ProgressPrinter> printer = make_progress_printer(arguments.progress);
  StopFlag stop;
  Signals signals(stop);
  Watcher watcher(signals, *printer);
  const Result<CompareReport> report =
      compare(arguments.options, watcher, stop, real_file_system());
  printer->finish();
  if (!report.ok()) return print_error(report.error());
  for (const std::string& warning : report.value().warnings) print_warning(warning);
  Status written = write_page(arguments, report.value(), page.value());
  if (written.ok() && arguments.html != "-") {
    written = arguments.json ? write_stdout(compare_json(report.value()))
                             : write_stdout_facts(compare_text(report.value(), stdout_width()));
  }
  if (!written.ok()) return print_error(written.error());
  const std::string what = complaint(arguments, report.value());
  if (what.empty()) return 0;
  return print_error(
      make_error(ErrorCode::differs, {.file = arguments.options.b, .tensor = {}}, what));
}

}  // namespace thaw::app
