#include "base/text.h"
#include "commands.h"
#include "io/file_system.h"
#include "model_specs.h"
#include "progress.h"
#include "signals.h"
#include "terminal.h"
#include "verify_arguments.h"
#include "verify_summary.h"
#include "watcher.h"

namespace thaw::app {

int run_verify(const std::vector<std::string>& words) {
  Result<VerifyArguments> parsed = parse_verify(words);
  if (!parsed.ok()) return print_error(parsed.error());
  VerifyArguments& arguments = parsed.value();
  if (arguments.help) {
    const Status written = write_stdout_facts(verify_help().text);
    return written.ok() ? 0 : print_error(written.error());
  }
  arguments.options.conversion.model_specs = model_specs_directory();
  const std::unique_ptr<ProgressPrinter> printer =
      make_progress_printer(arguments.quiet ? ProgressMode::none : arguments.progress);
  StopFlag stop;
  Signals signals(stop);
  Watcher watcher(signals, *printer);
  const Result<VerifyReport> report = verify(arguments.options, watcher, stop, real_file_system());
  printer->finish();
  if (!report.ok()) return print_error(report.error());
  const bool holds = report.value().holds();
  if (!arguments.quiet || arguments.json || !holds) {
    const Status written = arguments.json
                               ? write_stdout(verify_json(arguments.options, report.value()))
                               : write_stdout_facts(verify_text(arguments.options, report.value()));
    if (!written.ok()) return print_error(written.error());
  }
  if (holds) return 0;
  const std::size_t count = finding_lines(report.value()).size();
  return print_error(make_error(ErrorCode::differs, {.file = arguments.options.out, .tensor = {}},
                                "is not what was expected: " + std::to_string(count) +
                                    (count == 1 ? " difference" : " differences")));
}

}  // namespace thaw::app
