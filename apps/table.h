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

// Rows of cells, the first row the headings, each column as wide as its widest cell, indented like
// the values of fact_line. Columns of numbers are aligned at the right.
[[nodiscard]] std::string column_lines(const std::vector<std::vector<std::string>>& rows);

// "1 shard", "2 shards".
[[nodiscard]] std::string counted(std::uint64_t count, const std::string& noun);

}  // namespace thaw::app
