// What a file is that is no safetensors file, by its first bytes: for a message that helps.
// Internal to lib/checkpoint.
#pragma once

#include <string>
#include <string_view>

namespace thaw {

struct OtherFormat {
  std::string what;       // "a gzip archive"; safe for a terminal; empty: nobody knows
  std::string_view hint;  // may be empty
};

// `begin`: the first bytes of the file, 512 where it has so many.
[[nodiscard]] OtherFormat recognise_other_format(std::string_view begin);

}  // namespace thaw
