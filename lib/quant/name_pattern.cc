#include "quant/name_pattern.h"

#include <algorithm>

namespace thaw {

std::string name_pattern(std::string_view name) {
  std::string pattern;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t dot = std::min(name.find('.', at), name.size());
    const std::string_view part = name.substr(at, dot - at);
    const bool number =
        !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    if (at != 0) pattern += '.';
    pattern += number ? std::string_view("*") : part;
    at = dot + 1;
  }
  return pattern;
}

}  // namespace thaw
