// Offsets as people count: lines and columns from 1.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace thaw::json {

// "line 3, column 14"; a column is a byte. An offset beyond the text is that of its end.
[[nodiscard]] std::string line_and_column(std::string_view text, std::size_t offset);

}  // namespace thaw::json
