// The exit codes by name, for man pages and for those who call thaw. specs/errors.md clause 1.
#pragma once

#include <span>
#include <string_view>

namespace thaw::app {

struct ExitCode {
  unsigned code;
  std::string_view name;
  std::string_view meaning;
};

[[nodiscard]] std::span<const ExitCode> exit_codes();

}  // namespace thaw::app
