// Limits of the system behind an error: which one it is, how large, and how it is raised.
// specs/errors.md clause 3.
#pragma once

#include <optional>
#include <string>

#include "base/status.h"

namespace thaw {

struct LimitText {
  std::string what;  // "the limit of open files (ulimit -n) is 12"
  std::string hint;
};

// Of an errno: open files, file size, memory and address space, processes. Nothing where no limit
// is behind it.
[[nodiscard]] std::optional<LimitText> limit_behind(int error_number);

// ErrorCode::no_space: the system gave `got` threads, and the run needs `needed`.
[[nodiscard]] Status threads_refused(unsigned got, unsigned needed);

}  // namespace thaw
