#include "compare/layer_name.h"

#include <algorithm>
#include <charconv>

namespace thaw {

LayerName split_layer(std::string_view name) {
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t dot = std::min(name.find('.', at), name.size());
    const char* const begin = name.data() + at;
    const char* const end = name.data() + dot;
    std::uint64_t number = 0;
    const auto [stop, problem] = std::from_chars(begin, end, number);
    if (problem == std::errc() && stop == end && begin != end) {
      return {name.substr(0, at == 0 ? 0 : at - 1), number,
              name.substr(std::min(name.size(), dot + 1))};
    }
    at = dot + 1;
  }
  return {{}, std::nullopt, name};
}

}  // namespace thaw
