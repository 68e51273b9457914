#include "json/write.h"

#include <doctest/doctest.h>

#include "json/node.h"

namespace thaw::json {
namespace {

std::string written(std::string_view text) {
  std::string out;
  append_string(out, text);
  return out;
}

TEST_CASE("append_string: escapes what Python's json.dumps escapes, and nothing else") {
  CHECK(written("") == "\"\"");
  CHECK(written("model.layers.0") == "\"model.layers.0\"");
  CHECK(written("a\"b\\c/d") == "\"a\\\"b\\\\c/d\"");
  CHECK(written("\n\r\t\f\b") == "\"\\n\\r\\t\\f\\b\"");
  CHECK(written(std::string_view("\0\x1b\x1f", 3)) == "\"\\u0000\\u001b\\u001f\"");
  CHECK(written("\x7f \xc3\xa9 \xf0\x9f\x98\x80") == "\"\x7f \xc3\xa9 \xf0\x9f\x98\x80\"");
}

TEST_CASE("append_string: what is written reads back") {
  std::string all;
  for (char c = 0; c >= 0 && c < 127; ++c) all += c;
  const Result<Node> node = parse("f", written(all), {});
  REQUIRE(node.ok());
  CHECK(node.value().string == all);
}

}  // namespace
}  // namespace thaw::json
