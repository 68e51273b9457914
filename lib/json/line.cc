#include "json/line.h"

#include <algorithm>

namespace thaw::json {

std::string line_and_column(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const std::size_t newline = before.rfind('\n');
  const std::size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  std::string place = "line ";
  place += std::to_string(line);
  place += ", column ";
  place += std::to_string(before.size() - begin + 1);
  return place;
}

}  // namespace thaw::json
