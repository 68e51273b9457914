// The table of a page: its first rows as HTML, all of it as JSON for the page's script, both from
// the same cells. specs/reports.md clause 4.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "json_out.h"

namespace thaw::app {

// What a cell holds, how it is shown and sorted: page.js knows the same names.
enum class Kind : std::uint8_t { name, text, count, figure, cosine, decibel, bytes };

struct Column {
  const char* label;
  Kind kind;
};

using Cell = std::variant<std::monostate, std::string, std::uint64_t, double>;

struct PageTable {
  std::vector<Column> columns;
  std::size_t rows = 0;
  std::function<std::vector<Cell>(std::size_t)> row;  // as many cells as columns; text printable
};

[[nodiscard]] std::string head_html(const PageTable& table);
// Of the first `most` rows.
[[nodiscard]] std::string rows_html(const PageTable& table, std::size_t most);
// The members `columns` and `rows`. What is no finite number is "inf", "-inf" or "nan", what is
// above 2^53 is a string of digits.
void add_table(JsonOut& out, const PageTable& table);

}  // namespace thaw::app
