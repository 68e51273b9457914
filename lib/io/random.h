// A name that nobody else has.
#pragma once

#include <string>

namespace thaw {

// Sixteen hexadecimal digits: random so that two processes do not meet, not so that nobody can
// guess them.
[[nodiscard]] std::string random_token();

}  // namespace thaw
