#include "base/text.h"
#include "json/scan.h"
#include "json/strict.h"
#include "json/walk.h"

namespace thaw::json {

namespace dom = simdjson::dom;

namespace {

const dom::element& of(const void* element) { return *static_cast<const dom::element*>(element); }

// Writes `element` until `out` is longer than a message can use.
void append_text(std::string& out, const dom::element& element) {
  constexpr std::size_t kEnough = 400;
  if (out.size() > kEnough) return;
  if (element.is_object()) {
    out += '{';
    for (const dom::key_value_pair member : as_object(element)) {
      if (out.size() > kEnough) return;
      if (out.back() != '{') out += ", ";
      out += '"' + std::string(member.key) + "\": ";
      append_text(out, member.value);
    }
    out += '}';
  } else if (element.is_array()) {
    out += '[';
    for (const dom::element item : as_array(element)) {
      if (out.size() > kEnough) return;
      if (out.back() != '[') out += ", ";
      append_text(out, item);
    }
    out += ']';
  } else if (element.is_string()) {
    out += '"' + std::string(as_string(element)) + '"';
  } else {
    out += simdjson::minify(element);
  }
}

}  // namespace

Kind Value::kind() const {
  switch (of(element_).type()) {
    case dom::element_type::ARRAY:
      return Kind::array;
    case dom::element_type::OBJECT:
      return Kind::object;
    case dom::element_type::STRING:
      return Kind::string;
    case dom::element_type::BOOL:
      return Kind::boolean;
    case dom::element_type::NULL_VALUE:
      return Kind::null;
    case dom::element_type::INT64:
      return Kind::integer;
    default:
      return Kind::number;
  }
}

std::optional<std::string_view> Value::as_string() const {
  std::string_view text;
  if (of(element_).get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

std::optional<std::uint64_t> Value::as_unsigned() const {
  std::uint64_t value = 0;
  if (of(element_).get_uint64().get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

std::size_t Value::size() const {
  if (of(element_).is_array()) return as_array(of(element_)).size();
  if (of(element_).is_object()) return as_object(of(element_)).size();
  return 0;
}

void Value::each_item(const std::function<void(Value)>& visit) const {
  if (!of(element_).is_array()) return;
  for (const dom::element item : as_array(of(element_))) visit(Value(&item));
}

void Value::each_member(const std::function<void(std::string_view, Value)>& visit) const {
  if (!of(element_).is_object()) return;
  for (const dom::key_value_pair member : as_object(of(element_))) {
    visit(member.key, Value(&member.value));
  }
}

std::string Value::text() const {
  std::string whole;
  append_text(whole, of(element_));
  return printable(whole);
}

std::string_view kind_text(Kind kind) {
  switch (kind) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return "a boolean";
    case Kind::integer:
      return "an integer";
    case Kind::number:
      return "a number";
    case Kind::string:
      return "a string";
    case Kind::array:
      return "an array";
    case Kind::object:
      return "an object";
  }
  return "nothing";
}

}  // namespace thaw::json
