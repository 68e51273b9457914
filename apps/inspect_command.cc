#include "arguments.h"
#include "commands.h"
#include "compare/inspect.h"
#include "html_page.h"
#include "html_reports.h"
#include "io/file_system.h"
#include "model_specs.h"
#include "summary.h"
#include "terminal.h"

namespace thaw::app {

namespace {

// To standard output; a page goes where --html says. True: convert would take the model.
Result<bool> write_inspection(const InspectArguments& arguments) {
  THAW_ASSIGN_OR_RETURN(ReportFile page, open_page(arguments.html));
  THAW_ASSIGN_OR_RETURN(const Inspection found,
                        inspect(arguments.model, real_file_system(), model_specs_directory()));
  if (!arguments.html.empty()) {
    THAW_ASSIGN_OR_RETURN(const std::string text, inspection_html(found));
    THAW_RETURN_IF_ERROR(page.write(text));
    if (arguments.html == "-") return found.problems.empty();
  }
  THAW_RETURN_IF_ERROR(arguments.json
                           ? write_stdout(inspection_json(found))
                           : write_stdout_facts(inspection_text(
                                 found, {.width = stdout_width(), .details = arguments.details})));
  return found.problems.empty();
}

}  // namespace

int run_inspect(const std::vector<std::string>& words) {
  const Result<InspectArguments> arguments = parse_inspect(words);
  if (!arguments.ok()) return print_error(arguments.error());
  if (arguments.value().help) {
    const Status written = write_stdout_facts(inspect_help().text);
    return written.ok() ? 0 : print_error(written.error());
  }
  const Result<bool> convertible = write_inspection(arguments.value());
  if (!convertible.ok()) return print_error(convertible.error());
  return convertible.value() ? 0 : static_cast<int>(ErrorCode::input);
}

}  // namespace thaw::app
