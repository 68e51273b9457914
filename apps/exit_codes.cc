#include "exit_codes.h"

#include <array>

#include "base/status.h"

namespace thaw::app {

namespace {

constexpr ExitCode row(ErrorCode code, std::string_view name, std::string_view meaning) {
  return {static_cast<unsigned>(code), name, meaning};
}

constexpr std::array kCodes = {
    ExitCode{0, "done", "Done, or nothing to do."},
    row(ErrorCode::bug, "bug", "A mistake of thaw."),
    row(ErrorCode::usage, "usage", "Bad options, or a destination that is refused."),
    row(ErrorCode::input, "input",
        "The input is missing, damaged, unsafe or unsupported, or nothing in it is quantized."),
    row(ErrorCode::numbers, "numbers", "A finite value became infinite in the output type."),
    row(ErrorCode::io, "io", "The system failed to read or write, or an input changed meanwhile."),
    row(ErrorCode::no_space, "no_space",
        "Not enough disk or memory; the message says how much is needed."),
    row(ErrorCode::differs, "differs", "verify or compare found a difference."),
    row(ErrorCode::locked, "locked", "Another run works on the same output."),
    row(ErrorCode::interrupted, "interrupted",
        "Stopped by SIGINT; the same command goes on where this one ended."),
    row(ErrorCode::terminated, "terminated", "Stopped by SIGTERM; likewise."),
};

}  // namespace

std::span<const ExitCode> exit_codes() { return kCodes; }

}  // namespace thaw::app
