// A program that is run beside us.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/stop.h"

namespace thaw {

// Runs words[0], found as a shell finds it, with the other words as its arguments (no shell), our
// environment and `variables` over it, no standard input, our two outputs; waits for its end.
// A request to stop is passed on as SIGTERM. Returns its exit code, 128 + the signal that ended
// it. Errors: ErrorCode::io, it could not be started. Thread-safe.
[[nodiscard]] Result<int> run_child(
    const std::vector<std::string>& words,
    const std::vector<std::pair<std::string, std::string>>& variables, const StopFlag& stop);

}  // namespace thaw
