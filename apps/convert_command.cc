#include "announce.h"
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
  const Status written = arguments.json
                             ? write_stdout(plan_json(plan.value()))
                             : write_stdout_facts(plan_text(plan.value(), stdout_width()));
  return written.ok() ? 0 : print_error(written.error());
}

// What will be done, when nothing stands in its way any more.
Announce announcer(const ConvertArguments& arguments, ProgressPrinter& printer) {
  if (!arguments.quiet && arguments.progress == ProgressMode::json) return {};
  return [&](const PlanSummary& plan) {
    printer.finish();  // a bar makes room
    for (const std::string& warning : plan.warnings) print_warning(warning);
    if (arguments.quiet) return;
    write_stderr_facts(announcement(plan, arguments.options.out));
  };
}

// `told`: the warnings that stood above.
void print_summary(const ConvertArguments& arguments, const ConvertReport& report,
                   std::size_t told) {
  if (!arguments.quiet && arguments.progress == ProgressMode::json) {
    write_stderr(done_line(report));
    return;
  }
  for (std::size_t i = told; i < report.plan.warnings.size(); ++i) {
    print_warning(report.plan.warnings[i]);
  }
  if (report.overflows > 0) {
    print_warning(std::to_string(report.overflows) + " values became infinite");
  }
  if (arguments.quiet) return;
  write_stderr_facts(report_text(report, arguments.options));
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
  std::size_t told = 0;  // warnings
  const Announce announce = announcer(arguments, *printer);
  const Result<ConvertReport> report =
      convert(arguments.options, watcher, stop, real_file_system(), [&](const PlanSummary& plan) {
        told = plan.warnings.size();
        if (announce) announce(plan);
      });
  printer->finish();
  if (!report.ok()) return print_error(report.error());
  // From here on the checkpoint stands at OUT, whatever becomes of the report.
  const Status written = report_file.write(report_json(report.value()));
  print_summary(arguments, report.value(), told);
  return written.ok() ? 0 : print_error(written.error());
}

}  // namespace

int run_convert(const std::vector<std::string>& words) {
  Result<ConvertArguments> arguments = parse_convert(words);
  if (!arguments.ok()) return print_error(arguments.error());
  if (arguments.value().help) {
    const Status written = write_stdout_facts(convert_help().text);
    return written.ok() ? 0 : print_error(written.error());
  }
  arguments.value().options.model_specs = model_specs_directory();
  return arguments.value().dry_run ? dry_run(arguments.value()) : convert_model(arguments.value());
}

}  // namespace thaw::app
