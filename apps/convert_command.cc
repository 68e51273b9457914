#include "archive_values.h"
#include "arguments.h"
#include "commands.h"
#include "convert/convert.h"
#include "model_specs.h"
#include "progress.h"
#include "report_file.h"
#include "signals.h"
#include "summary.h"
#include "terminal.h"
#include "watcher.h"

namespace thaw::app {

namespace {

int dry_run(const ConvertArguments& arguments) {
  const Result<PlanSummary> plan = plan_conversion(arguments.options, real_file_system());
  if (!plan.ok()) return print_error(plan.error());
  const Status written =
      write_stdout(arguments.json ? plan_json(plan.value()) : plan_text(plan.value()));
  return written.ok() ? 0 : print_error(written.error());
}

void print_summary(const ConvertArguments& arguments, const ConvertReport& report) {
  if (arguments.quiet) return;
  if (arguments.progress == ProgressMode::json) {
    write_stderr(done_line(report));
    return;
  }
  for (const std::string& warning : report.plan.warnings) print_warning(warning);
  if (report.overflows > 0) {
    print_warning(std::to_string(report.overflows) + " values became infinite");
  }
  write_stderr(
      report_text(report, arguments.options.in_place ? report.plan.out : arguments.options.out));
}

int convert_model(const ConvertArguments& arguments) {
  if (const Status shown = check_output_is_no_terminal(arguments.options); !shown.ok()) {
    return print_error(shown.error());
  }
  ReportFile report_file;
  if (!arguments.report.empty()) {
    Result<ReportFile> opened =
        ReportFile::open(arguments.report, arguments.options.in_place ? arguments.options.base
                                                                      : arguments.options.out);
    if (!opened.ok()) return print_error(opened.error());
    report_file = std::move(opened).value();
  }
  const std::unique_ptr<ProgressPrinter> printer =
      make_progress_printer(arguments.quiet ? ProgressMode::none : arguments.progress);
  StopFlag stop;
  Signals signals(stop);
  Watcher watcher(signals, *printer);
  const Result<ConvertReport> report =
      convert(arguments.options, watcher, stop, real_file_system());
  printer->finish();
  if (!report.ok()) return print_error(report.error());
  // From here on the checkpoint stands at OUT, whatever becomes of the report.
  const Status written = report_file.write(report_json(report.value()));
  print_summary(arguments, report.value());
  return written.ok() ? 0 : print_error(written.error());
}

}  // namespace

int run_convert(const std::vector<std::string>& words) {
  Result<ConvertArguments> arguments = parse_convert(words);
  if (!arguments.ok()) return print_error(arguments.error());
  if (arguments.value().help) {
    const Status written = write_stdout(convert_help().text);
    return written.ok() ? 0 : print_error(written.error());
  }
  arguments.value().options.model_specs = model_specs_directory();
  return arguments.value().dry_run ? dry_run(arguments.value()) : convert_model(arguments.value());
}

}  // namespace thaw::app
