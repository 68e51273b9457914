// simdjson's DOM parser with our limits: the only caller of simdjson in the project. Internal.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace thaw::json {

// DOM, not on-demand: on-demand skips what nobody asks for, malformed or not. Reusable.
class StrictParser {
 public:
  explicit StrictParser(std::size_t most_depth) : most_depth_(most_depth) {}

  // Parses one value that fills `text` (white space may surround it). `text` is copied, because
  // simdjson reads past the end of its input. The element is valid until the next call.
  [[nodiscard]] simdjson::error_code parse(std::string_view text, simdjson::dom::element& out);

 private:
  std::size_t most_depth_;
  simdjson::dom::parser parser_;
  std::vector<char> padded_;
};

// The value of an element that is known to be one. (Results of simdjson are not looked into in
// place: its arrays and objects may not die before their iterators.)
[[nodiscard]] simdjson::dom::array as_array(const simdjson::dom::element& element);
[[nodiscard]] simdjson::dom::object as_object(const simdjson::dom::element& element);
[[nodiscard]] std::string_view as_string(const simdjson::dom::element& element);

// A key that stands twice in one object anywhere in the element; nothing when there is none. As
// deep as the parser allows.
[[nodiscard]] std::optional<std::string_view> repeated_key(const simdjson::dom::element& element);

// What is wrong, in words for a message.
[[nodiscard]] std::string_view explain(simdjson::error_code error);

}  // namespace thaw::json
