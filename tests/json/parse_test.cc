#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "json/node.h"

namespace thaw::json {
namespace {

std::string nested(std::size_t depth) {
  return std::string(depth, '[') + "1" + std::string(depth, ']');
}

std::string message_of(const std::string& text, const ParseOptions& options = {}) {
  const Result<Node> result = parse("config.json", text, options);
  return result.ok() ? "" : result.error().text();
}

const ParseOptions kPython{.python_numbers = true};

TEST_CASE("parse: valid text of every kind is accepted") {
  const std::vector<std::string> rows = {"{}",
                                         "[]",
                                         " \t\r\n{} \n",
                                         "null",
                                         "true",
                                         "\"\"",
                                         "0",
                                         "-0",
                                         "1.5",
                                         "1e5",
                                         "[1,[2,[3]]]",
                                         "{\"a\":{\"a\":{\"a\":1}}}",
                                         "[{\"a\":1},{\"a\":2}]",
                                         nested(64),
                                         "\"\\ud83d\\ude00\"",
                                         "\"\xf0\x9f\x98\x80\"",
                                         "18446744073709551615",
                                         "{\"\":1}"};
  for (const std::string& row : rows) {
    CAPTURE(row);
    CHECK(message_of(row) == "");
    CHECK(message_of(row, kPython) == "");
  }
}

struct Bad {
  std::string text;
  std::string message;  // what must stand in it
};

TEST_CASE("parse: malformed text is an error with the file and the byte") {
  const std::vector<Bad> rows = {
      {"", "config.json: byte 0: not valid JSON: nothing"},
      {"  ", "not valid JSON: nothing"},
      {"{", "not valid JSON"},
      {"}", "byte 0: not valid JSON"},
      {"{\"a\":1", "byte 6: not valid JSON: expected a comma or the end"},
      {"{\"a\":1,}", "byte 7: not valid JSON: expected a key"},
      {"{\"a\" 1}", "byte 5: not valid JSON: expected a colon"},
      {"{\"a\":}", "byte 5: not valid JSON: expected a value"},
      {"{,}", "byte 1: not valid JSON"},
      {"[1,]", "byte 3: not valid JSON"},
      {"[1 2]", "byte 3: not valid JSON: expected a comma"},
      {"{\"a\":[1}", "not valid JSON"},
      {"{\"a\":[0,{\"b\":tru}]}", "byte 13: not valid JSON"},
      {"{} {}", "byte 3: not valid JSON: bytes after the end"},
      {"{}x", "byte 2: not valid JSON: bytes after the end"},
      {"1 2", "not valid JSON"},
      {"{a:1}", "byte 1: not valid JSON: expected a key in quotes"},
      {"{'a':1}", "byte 1: not valid JSON"},
      {"[01]", "byte 1: not valid JSON"},
      {"[+1]", "byte 1: not valid JSON"},
      {"[.5]", "byte 1: not valid JSON"},
      {"[1.]", "byte 1: not valid JSON"},
      {"[1e]", "byte 1: not valid JSON"},
      {"[0x10]", "byte 1: not valid JSON"},
      {"[1,//c\n2]", "byte 3: not valid JSON"},
      {"[\"\n\"]", "a control character"},
      {std::string("[\"\0\"]", 5), "a control character"},
      {std::string("[1\0]", 4), "not valid JSON"},
      {"[\"\\x\"]", "byte 1: not valid JSON: a string with a malformed escape"},
      {"[\"\\ud800\"]", "byte 1: not valid JSON: a string with a malformed escape"},
      {"[\"abc]", "not valid JSON"},
      {"[\"\xff\"]", "byte 1: not valid JSON: bytes that are not UTF-8"},
      {"[\"\xc0\x80\"]", "not UTF-8"},
      {"[\"\xed\xa0\x80\"]", "not UTF-8"},
      {"\xef\xbb\xbf{}", "byte 0: begins with a byte order mark"},
      {std::string("\xff\xfe{\0}\0", 6), "not valid JSON"},
      {"{\"a\":1,\"a\":2}", "byte 7: the key \"a\" stands twice in one object"},
      {"{\"a\":1,\"\\u0061\":2}", "byte 7: the key \"a\" stands twice"},
      {"[[{\"x\":{\"b\":1,\"c\":2,\"b\":3}}]]", "byte 20: the key \"b\" stands twice"},
      {nested(65), "nested deeper than 64 levels"},
      {nested(100'000), "nested deeper than 64 levels"},
      {"{\"\x1b[31m\":1}", "control character"},
      {"{\"\\u001b\":1,\"\\u001b\":1}", "the key \"\\x1b\" stands twice"},
  };
  for (const Bad& row : rows) {
    CAPTURE(row.text.substr(0, 100));
    for (const ParseOptions& options : {ParseOptions{}, kPython}) {
      const std::string message = message_of(row.text, options);
      CAPTURE(message);
      CHECK(message.find(row.message) != std::string::npos);
      CHECK(message.substr(0, 13) == "config.json: ");
    }
  }
}

TEST_CASE("parse: Python's numbers are accepted only where asked for") {
  const std::vector<std::string> rows = {
      "NaN",
      "Infinity",
      "-Infinity",
      "[NaN,-Infinity , Infinity]",
      "{\"a\":NaN}",
      "123456789012345678901234567890",
      "-99999999999999999999",
      "1e400",
      "[1e400]",
      "[1.0000000000000000000000000000000000000000000000000000000001]"};
  for (const std::string& row : rows) {
    CAPTURE(row);
    CHECK(message_of(row, kPython) == "");
  }
  CHECK(message_of("[NaN]") != "");
  CHECK(message_of("[123456789012345678901234567890]") != "");
  const std::vector<std::string> bad = {"nan",
                                        "[NAN]",
                                        "[NaNs]",
                                        "[+Infinity]",
                                        "[-NaN]",
                                        "[Inf]",
                                        "{NaN:1}",
                                        "[NaN NaN]",
                                        "[1NaN]",
                                        "[NaN\"a\"]",
                                        "[00000000000000000000]",
                                        "[-]",
                                        "[1e+]",
                                        "[--1e400]"};
  for (const std::string& row : bad) {
    CAPTURE(row);
    CHECK(message_of(row, kPython) != "");
  }
}

TEST_CASE("parse: values are read and kept apart from numbers that are not 64-bit integers") {
  const std::string text =
      "{\"i\":-5,\"min\":-9223372036854775808,\"big\":9223372036854775808,\"nan\":NaN,\"f\":1.0,"
      "\"t\":true,\"n\":null,\"s\":\"\\u00e9NaN\",\"a\":[1,\"x\"]}";
  const Result<Node> result = parse("f", text, kPython);
  REQUIRE(result.ok());
  const Node& node = result.value();
  CHECK(node.find("i")->as_integer() == -5);
  CHECK(node.find("min")->as_integer() == std::numeric_limits<std::int64_t>::min());
  for (const char* key : {"big", "nan", "f"}) {
    CHECK(node.find(key)->kind == Kind::number);
    CHECK(!node.find(key)->as_integer());
  }
  CHECK(node.find("t")->as_boolean() == true);
  CHECK(node.find("n")->kind == Kind::null);
  CHECK(node.find("s")->as_string() == "\xc3\xa9NaN");
  CHECK(node.find("a")->items.at(1).as_string() == "x");
  CHECK(node.find("none") == nullptr);
  CHECK(!node.find("s")->as_integer());
  CHECK(node.find("i")->find("x") == nullptr);
}

void check_places(const std::string& text, const Node& node) {
  const std::string raw = text.substr(node.begin, node.end - node.begin);
  CAPTURE(raw);
  const Result<Node> again = parse("part", raw, kPython);
  REQUIRE(again.ok());
  CHECK(again.value().kind == node.kind);
  CHECK(again.value().string == node.string);
  CHECK(again.value().members.size() == node.members.size());
  for (const auto& [key, value] : node.members) {
    const std::size_t key_end = text.find(':', value.key_begin);
    const Result<Node> parsed =
        parse("key", text.substr(value.key_begin, key_end - value.key_begin), {});
    REQUIRE(parsed.ok());
    CHECK(parsed.value().string == key);
    check_places(text, value);
  }
  for (const Node& item : node.items) check_places(text, item);
}

TEST_CASE("parse: the place of every value and key is the value's and the key's text") {
  const std::string text =
      " \n{ \"a\" : [ 1 , NaN,{} , [] ,\"]}\\\"\\\\\" ] ,\r\n\t\"b\\n\":{\"c\":-1.5e3 , "
      "\"d\": false},\"e\":12345678901234567890123 }\n ";
  const Result<Node> result = parse("f", text, kPython);
  REQUIRE(result.ok());
  check_places(text, result.value());
  CHECK(result.value().begin == 2);
  CHECK(text[result.value().end - 1] == '}');
  CHECK(text.substr(result.value().find("e")->begin, 23) == "12345678901234567890123");
}

TEST_CASE("parse: limits on bytes and on values hold") {
  CHECK(message_of("[1,2,3]", {.most_bytes = 6}) ==
        "config.json: too large to be read as JSON: got 7 bytes, expected at most 6");
  CHECK(message_of("[1,2,3]", {.most_values = 4}) == "");
  CHECK(message_of("[1,2,3]", {.most_values = 3}).find("byte 5: more values") != std::string::npos);
}

}  // namespace
}  // namespace thaw::json
