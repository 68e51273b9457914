// The standard streams: what they are, and writing to them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"

namespace thaw::app {

// A standard stream that was closed becomes one that fails: else the next file that is opened would
// get its number, and what is printed would go into that file.
void keep_standard_streams_apart();

// True when standard error is a terminal that understands escape sequences.
[[nodiscard]] bool stderr_is_terminal();
// True when, besides, nobody set NO_COLOR.
[[nodiscard]] bool stderr_takes_colour();
// Columns of standard output, 0 where it is no terminal.
[[nodiscard]] std::size_t stdout_width();
// Of standard error, now: a window may change; 80 where nothing says.
[[nodiscard]] int terminal_width();

// All of `text`, or an error (ErrorCode::io), such as a full disk. A pipe that was closed is none:
// who reads, such as head, has seen enough.
[[nodiscard]] Status write_stdout(std::string_view text);
// As far as it goes: where messages cannot be written nobody reads them.
void write_stderr(std::string_view text);
// The same for lines of facts (fact_line): on a terminal wrapped at its width, the names bold where
// it takes colour; elsewhere as they are.
[[nodiscard]] Status write_stdout_facts(std::string_view text);
void write_stderr_facts(std::string_view text);

// "thaw: <message>" for each message, then the hint; returns the process's exit code.
int print_error(const Error& error);
void print_warning(std::string_view message);

}  // namespace thaw::app
