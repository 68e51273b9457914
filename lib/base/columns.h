// Text in the columns of a terminal. Text that printable() has made safe, in UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace thaw {

// How many columns `text` takes: two for wide East Asian letters and emoji, none for marks that
// stand on the letter before them, whatever the locale is.
[[nodiscard]] std::size_t columns_of(std::string_view text);

// The beginning of `text` that fits into `columns`, cut between letters.
[[nodiscard]] std::string_view first_columns(std::string_view text, std::size_t columns);

// Every line of `text` broken at spaces so that it takes at most `width` columns. What follows
// stands under the line's second column (what comes after two or more spaces), or further left
// where that leaves too little room. A word wider than `width` stays whole on a line of its own:
// the terminal breaks it, and it can be copied.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t width);

}  // namespace thaw
