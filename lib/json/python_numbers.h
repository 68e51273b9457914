// Numbers that Python's json module writes and reads but that are no JSON, or that do not fit the
// 64 bits of a parser. Internal.
#pragma once

#include <string>
#include <string_view>

namespace thaw::json {

// `text` with every NaN, Infinity and -Infinity, and every number that is not an integer of 64
// bits, replaced by a 0 and spaces of the same length. A malformed number stays, to be refused;
// so does everything inside a string.
[[nodiscard]] std::string without_python_numbers(std::string_view text);

}  // namespace thaw::json
