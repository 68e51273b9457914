// Deterministic JSON output.
#pragma once

#include <string>
#include <string_view>

namespace thaw::json {

// `text` in quotes, escaped as Python's json.dumps(ensure_ascii=False) does; bytes that are not
// UTF-8 must not be passed.
void append_string(std::string& out, std::string_view text);

}  // namespace thaw::json
