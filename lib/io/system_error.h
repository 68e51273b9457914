// errno as an Error. Private to lib/io.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace thaw {

// "<path>: cannot <action>: <text of errno>"; a full disk and a limit of the system (limits.h)
// become ErrorCode::no_space, the rest `code`.
[[nodiscard]] Status system_error(std::string_view path, std::string_view action, int error_number,
                                  ErrorCode code = ErrorCode::io);

}  // namespace thaw
