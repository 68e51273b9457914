// Columns of text for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace thaw::app {

// Names and the gap behind them.
constexpr std::size_t kFactNameWidth = 14;

// "name            value", the form of all tables with one fact a line; an empty name continues
// the fact above.
[[nodiscard]] std::string fact_line(const std::string& name, const std::string& value);

// How a table gives way in a narrow window.
struct TableFit {
  std::size_t width = 0;  // columns of the window; 0: no window, nothing gives way
  // One for each column: the highest is left out first, the last of equal ones before the others;
  // what has rank 0, the names, is only shortened at its front. Empty: the last column first.
  std::vector<int> ranks = {};
  bool headed = true;  // the first row is the headings: what is left out is named by them
};

// Rows of cells, the first row the headings where there are some, each column as wide as its widest
// cell, indented like the values of fact_line. Columns of numbers are aligned at the right. No line
// is wider than the window: columns are left out instead, and a last line says which.
[[nodiscard]] std::string column_lines(const std::vector<std::vector<std::string>>& rows,
                                       const TableFit& fit = {});

// "1 shard", "2 shards".
[[nodiscard]] std::string counted(std::uint64_t count, const std::string& noun);

}  // namespace thaw::app
