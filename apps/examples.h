// The five usual errands, for --help. tests/cli/test_terminal.py runs each of them.
#pragma once

#include <string>

namespace thaw::app {

// "Examples:" and, indented, what each does and its command.
[[nodiscard]] std::string program_examples();
[[nodiscard]] std::string convert_examples();

}  // namespace thaw::app
