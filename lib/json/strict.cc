#include "json/strict.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <new>

namespace thaw::json {

simdjson::error_code StrictParser::parse(std::string_view text, simdjson::dom::element& out) {
  if (text.size() > parser_.capacity() || parser_.capacity() == 0) {
    // In powers of two, so that a series of ever longer values does not allocate each time.
    const std::size_t capacity = std::bit_ceil(std::max<std::size_t>(text.size(), 256));
    // The depth that simdjson is told is the first that it refuses.
    if (parser_.allocate(capacity, most_depth_ + 1) != simdjson::SUCCESS) throw std::bad_alloc();
  }
  const std::size_t needed = text.size() + simdjson::SIMDJSON_PADDING;
  if (padded_.size() < needed) padded_.resize(std::bit_ceil(needed));
  if (!text.empty()) std::memcpy(padded_.data(), text.data(), text.size());
  std::memset(padded_.data() + text.size(), ' ', simdjson::SIMDJSON_PADDING);
  const simdjson::error_code error = parser_.parse(padded_.data(), text.size(), false).get(out);
  if (error == simdjson::MEMALLOC) throw std::bad_alloc();
  return error;
}

namespace {

template <typename T>
T known(const simdjson::dom::element& element) {
  T value;
  [[maybe_unused]] const simdjson::error_code error = element.get<T>().get(value);
  assert(error == simdjson::SUCCESS);
  return value;
}

}  // namespace

simdjson::dom::array as_array(const simdjson::dom::element& element) {
  return known<simdjson::dom::array>(element);
}

simdjson::dom::object as_object(const simdjson::dom::element& element) {
  return known<simdjson::dom::object>(element);
}

std::string_view as_string(const simdjson::dom::element& element) {
  return known<std::string_view>(element);
}

std::optional<std::string_view> repeated_key(const simdjson::dom::element& element) {
  if (element.is_array()) {
    for (const simdjson::dom::element item : as_array(element)) {
      if (const auto repeated = repeated_key(item)) return repeated;
    }
  } else if (element.is_object()) {
    std::vector<std::string_view> keys;
    for (const simdjson::dom::key_value_pair member : as_object(element)) {
      keys.push_back(member.key);
      if (const auto repeated = repeated_key(member.value)) return repeated;
    }
    std::sort(keys.begin(), keys.end());
    const auto twin = std::adjacent_find(keys.begin(), keys.end());
    if (twin != keys.end()) return *twin;
  }
  return std::nullopt;
}

std::string_view explain(simdjson::error_code error) {
  switch (error) {
    case simdjson::DEPTH_ERROR:
      return "nested too deeply";
    case simdjson::STRING_ERROR:
      return "a string with a malformed escape";
    case simdjson::UNESCAPED_CHARS:
      return "a control character that is not escaped, in a string";
    case simdjson::UNCLOSED_STRING:
      return "a string without an end";
    case simdjson::UTF8_ERROR:
      return "bytes that are not UTF-8";
    case simdjson::NUMBER_ERROR:
      return "a malformed number, or one beyond the range of 64 bits";
    case simdjson::EMPTY:
      return "nothing where a value should stand";
    default:
      return "a value, comma, colon or bracket is missing, malformed or out of place";
  }
}

}  // namespace thaw::json
