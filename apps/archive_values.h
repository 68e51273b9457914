// Options of archives and of standard output as a destination. Errors: ErrorCode::usage.
#pragma once

#include <cstdint>

#include "prepare/options.h"

namespace thaw::app {

// SOURCE_DATE_EPOCH of the environment, if it is not empty, else 0.
[[nodiscard]] Result<std::uint64_t> archive_mtime();
// An archive on a terminal helps nobody.
[[nodiscard]] Status check_output_is_no_terminal(const ConvertOptions& options);

}  // namespace thaw::app
