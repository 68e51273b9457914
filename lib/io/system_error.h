// errno as an Error. Private to lib/io.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace thaw {

// "<path>: cannot <action>: <text of errno>"; ENOSPC and EDQUOT become ErrorCode::no_space, the
// rest `code`.
[[nodiscard]] Status system_error(std::string_view path, std::string_view action, int error_number,
                                  ErrorCode code = ErrorCode::io);

}  // namespace thaw
