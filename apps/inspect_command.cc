#include "arguments.h"
#include "commands.h"
#include "convert/inspect.h"
#include "html_page.h"
#include "html_reports.h"
#include "io/file_system.h"
#include "model_specs.h"
#include "summary.h"
#include "terminal.h"

namespace thaw::app {

namespace {

// What goes to standard output; a page goes where --html says.
Result<std::string> inspected(const InspectArguments& arguments) {
  THAW_ASSIGN_OR_RETURN(ReportFile page, open_page(arguments.html));
  THAW_ASSIGN_OR_RETURN(const Inspection found,
                        inspect(arguments.model, real_file_system(), model_specs_directory()));
  if (!arguments.html.empty()) {
    THAW_ASSIGN_OR_RETURN(const std::string text, inspection_html(found));
    THAW_RETURN_IF_ERROR(page.write(text));
    if (arguments.html == "-") return std::string();
  }
  return arguments.json ? inspection_json(found) : inspection_text(found);
}

}  // namespace

int run_inspect(const std::vector<std::string>& words) {
  const Result<InspectArguments> arguments = parse_inspect(words);
  if (!arguments.ok()) return print_error(arguments.error());
  const Result<std::string> text =
      arguments.value().help ? Result<std::string>(inspect_help()) : inspected(arguments.value());
  if (!text.ok()) return print_error(text.error());
  const Status written = write_stdout(text.value());
  return written.ok() ? 0 : print_error(written.error());
}

}  // namespace thaw::app
