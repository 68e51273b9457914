// thaw: the program. Finds the sub-command and turns what no one expected into an exit code.
#include <sys/resource.h>

#include <boost/system/system_error.hpp>
#include <exception>
#include <new>
#include <system_error>

#include "argument_values.h"
#include "arguments.h"
#include "base/text.h"
#include "command_table.h"
#include "io/limits.h"
#include "pages.h"
#include "signals.h"
#include "suggest.h"
#include "terminal.h"
#include "words.h"

namespace thaw::app {
namespace {

// A checkpoint may have more shards than the usual 1024 descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int print(const std::string& text) {
  const Status written = write_stdout_facts(text);
  return written.ok() ? 0 : print_error(written.error());
}

int run(const std::vector<std::string>& words) {
  if (words.empty()) {
    return print_error(
        usage_error("which command? convert, inspect, verify, compare, specs or run", "thaw")
            .error());
  }
  const std::string& command = words[0];
  const std::vector<std::string> rest(words.begin() + 1, words.end());
  if (const Command* const known = find_command(command)) return known->run(rest);
  if (command == "help" && !rest.empty()) return run({rest[0], "--help"});
  if (command == "--help" || command == "-h" || command == "help") return print(program_help());
  if (command == "--version") {
    return print("thaw " THAW_VERSION "\ninstruction sets: " + available_isas() + "\n");
  }
  if (command == "--man" || command == "--completion" || command == "--describe") {
    return run_page(command, rest);
  }
  const char* const what = command.starts_with('-') ? "unknown option: " : "unknown command: ";
  return print_error(make_error(ErrorCode::usage, {}, what + printable(command),
                                near_command(command) + "See thaw --help"));
}

// What the system refused before there was a file or a thread to name: its limit, else a bug.
int refused_by_system(int error_number, const char* what) {
  if (std::optional<LimitText> limit = limit_behind(error_number)) {
    return print_error({ErrorCode::no_space, {"cannot begin: " + limit->what}, limit->hint});
  }
  return print_error({ErrorCode::bug, {"a bug in thaw: " + printable(what)}, {}});
}

int run_guarded(const std::vector<std::string>& words) {
  try {
    return run(words);
  } catch (const std::bad_alloc&) {
    return print_error({ErrorCode::no_space,
                        {"out of memory: the system gave no more to this process"},
                        "give the process more than --memory, or use a smaller --memory"});
  } catch (const std::system_error& error) {
    return refused_by_system(error.code().value(), error.what());
  } catch (const boost::system::system_error& error) {
    return refused_by_system(error.code().value(), error.what());
  } catch (const std::exception& error) {
    return print_error({ErrorCode::bug, {"a bug in thaw: " + printable(error.what())}, {}});
  } catch (...) {
    return print_error({ErrorCode::bug, {"a bug in thaw: an unknown exception"}, {}});
  }
}

}  // namespace
}  // namespace thaw::app

int main(int count, char** words) {
  thaw::app::keep_standard_streams_apart();
  thaw::app::raise_descriptor_limit();
  thaw::app::ignore_signals_of_writing();
  return thaw::app::run_guarded({words + 1, words + count});
}
