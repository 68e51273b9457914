// Finds the byte at which a text that simdjson refused stops being JSON. Internal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace thaw::json {

struct Flaw {
  std::size_t offset = 0;
  std::string what;
};

// `text` is known to be refused. Costs a parse of the guilty part at every level above the flaw.
[[nodiscard]] Flaw locate(std::string_view text, std::size_t most_depth);

}  // namespace thaw::json
