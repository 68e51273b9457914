#include "json/walk.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace thaw::json {
namespace {

// The keys in order, then the error if there was one.
std::vector<std::string> walked(const std::string& text, const WalkOptions& options = {}) {
  std::vector<std::string> seen;
  ObjectWalk walk("header", text, 8, options);
  while (walk.next()) seen.emplace_back(walk.key());
  const Status status = walk.status();
  if (!status.ok()) seen.push_back(status.error().text());
  return seen;
}

TEST_CASE("ObjectWalk: visits the members of a valid object in order") {
  CHECK(walked("{}").empty());
  CHECK(walked(" { } \n").empty());
  CHECK(walked("{\"a\":1}") == std::vector<std::string>{"a"});
  CHECK(walked("{\"a\" : {\"x\":[\"}\"]} ,\n\"b\\u0041\":\"\\\"\", \"c\":null}   ") ==
        std::vector<std::string>{"a", "bA", "c"});
}

struct Bad {
  std::string text;
  std::string message;
};

TEST_CASE("ObjectWalk: malformed text anywhere is an error with the file and the byte") {
  const std::vector<Bad> rows = {
      {"", "header: byte 8: not a JSON object"},
      {"[]", "byte 8: not a JSON object"},
      {"1", "byte 8: not a JSON object"},
      {"{", "byte 9: not valid JSON"},
      {"{} x", "byte 11: not valid JSON: bytes after the end"},
      {"{}{}", "byte 10: not valid JSON"},
      {"{\"a\":1", "byte 14: not valid JSON: expected a comma or the end"},
      {"{\"a\":1,}", "byte 15: not valid JSON: expected a key"},
      {"{,\"a\":1}", "byte 9: not valid JSON"},
      {"{\"a\":1,,\"b\":1}", "byte 15: not valid JSON"},
      {"{\"a\":1 \"b\":1}", "byte 15: not valid JSON: expected a comma"},
      {"{\"a\"}", "byte 12: not valid JSON: expected a colon"},
      {"{\"a\":}", "byte 13: not valid JSON: expected a value"},
      {"{\"a\":[1}", "not valid JSON"},
      {"{\"a\":[1]]}", "not valid JSON"},
      {"{\"a\":{\"b\":NaN}}", "header: a: byte 18: not valid JSON"},
      {"{\"a\":1,\"b\":{\"c\":01}}", "header: b: byte 24: not valid JSON"},
      {"{\"a\\q\":1}", "byte 9: not valid JSON: a string with a malformed escape"},
      {"{\"\xff\":1}", "byte 9: not valid JSON: bytes that are not UTF-8"},
      {"{\"a\":\"\xff\"}", "header: a: byte 13: not valid JSON: bytes that are not UTF-8"},
      {"{\"a", "not valid JSON"},
      {"{\"a\":\"b", "not valid JSON"},
      {"{\"a\":\"b\\", "not valid JSON"},
      {"{\"a\":[[[[[[[[[1]]]]]]]]]}", "header: a: byte 13: not valid JSON: nested too deeply"},
  };
  for (const Bad& row : rows) {
    CAPTURE(row.text);
    const std::vector<std::string> seen = walked(row.text);
    REQUIRE(!seen.empty());
    CAPTURE(seen.back());
    CHECK(seen.back().find(row.message) != std::string::npos);
  }
}

TEST_CASE("ObjectWalk: a value gives what stands in it") {
  const std::string text =
      R"({"t":{"dtype":"F16","shape":[2,18446744073709551615],"x":-1,"f":1.0}})";
  ObjectWalk walk("header", text, 0);
  REQUIRE(walk.next());
  CHECK(walk.offset() == 1);
  const std::optional<Value> value = walk.value();
  REQUIRE(value.has_value());
  CHECK(value->kind() == Kind::object);
  CHECK(value->size() == 4);
  std::string seen;
  value->each_member([&](std::string_view key, Value member) {
    seen += std::string(key) + "=" + member.text() + ";";
    if (key == "dtype") CHECK(member.as_string() == "F16");
    if (key == "x" || key == "f") CHECK(!member.as_unsigned());
    if (key == "shape") {
      std::vector<std::uint64_t> shape;
      member.each_item([&](Value item) { shape.push_back(item.as_unsigned().value()); });
      CHECK(shape == std::vector<std::uint64_t>{2, ~std::uint64_t{0}});
    }
  });
  CHECK(seen == "dtype=\"F16\";shape=[2, 18446744073709551615];x=-1;f=1.0;");
  CHECK(!walk.next());
  CHECK(walk.status().ok());
}

TEST_CASE("ObjectWalk: a member can be walked in its turn, with offsets of the file") {
  const std::string text = R"({"metadata":{}, "weight_map": {"a":"x", "b":"y"}, "z":1})";
  ObjectWalk walk("index", text, 0);
  std::string seen;
  while (walk.next()) {
    if (walk.key() != "weight_map") continue;
    ObjectWalk inner = walk.enter();
    while (inner.next()) {
      seen += inner.key();
      seen += inner.value().value().as_string().value();
      CHECK(text[inner.offset()] == '"');
    }
    CHECK(inner.status().ok());
  }
  CHECK(walk.status().ok());
  CHECK(seen == "axby");
}

TEST_CASE("ObjectWalk: members beyond the limit are refused") {
  const std::string text = "{\"a\":\"" + std::string(100, 'x') + "\"}";
  CHECK(walked(text, {.most_member_bytes = 102}) == std::vector<std::string>{"a"});
  CHECK(walked(text, {.most_member_bytes = 101}).back().find("a member of 102 bytes") !=
        std::string::npos);
  const std::string key = "{\"" + std::string(100, 'x') + "\":1}";
  CHECK(walked(key, {.most_member_bytes = 101}).back().find("a member of 102 bytes") !=
        std::string::npos);
}

}  // namespace
}  // namespace thaw::json
