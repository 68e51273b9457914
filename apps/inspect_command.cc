#include "arguments.h"
#include "commands.h"
#include "convert/inspect.h"
#include "io/file_system.h"
#include "model_specs.h"
#include "summary.h"
#include "terminal.h"

namespace thaw::app {

int run_inspect(const std::vector<std::string>& words) {
  const Result<InspectArguments> arguments = parse_inspect(words);
  if (!arguments.ok()) return print_error(arguments.error());
  std::string text;
  if (arguments.value().help) {
    text = inspect_help().text;
  } else {
    const Result<Inspection> found =
        inspect(arguments.value().model, real_file_system(), model_specs_directory());
    if (!found.ok()) return print_error(found.error());
    text = arguments.value().json ? inspection_json(found.value()) : inspection_text(found.value());
  }
  const Status written = write_stdout(text);
  return written.ok() ? 0 : print_error(written.error());
}

}  // namespace thaw::app
