#include "json/edit.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace thaw::json {
namespace {

struct Row {
  std::string text;
  std::vector<std::string> removed;  // keys of the root object
  std::string expected;
};

TEST_CASE("Editor: removed members take their comma and white space with them") {
  const std::vector<Row> rows = {
      {R"({"a": 1, "q": {"x": [1, 2]}, "b": 2})", {"q"}, R"({"a": 1, "b": 2})"},
      {R"({"q": 1, "b": 2})", {"q"}, R"({"b": 2})"},
      {R"({"a": 1, "q": 1})", {"q"}, R"({"a": 1})"},
      {R"({"q": 1})", {"q"}, "{}"},
      {R"({ "q" : 1 })", {"q"}, "{}"},
      {R"({"a":1,"q":1,"b":2})", {"q"}, R"({"a":1,"b":2})"},
      {R"({ "a":1 , "q":1 , "b":2 })", {"q"}, R"({ "a":1 , "b":2 })"},
      {R"({ "a":1 , "q":1 })", {"q"}, R"({ "a":1 })"},
      {"{\n  \"a\": 1,\n  \"q\": {\n    \"x\": 1\n  },\n  \"b\": 2\n}\n",
       {"q"},
       "{\n  \"a\": 1,\n  \"b\": 2\n}\n"},
      {"{\n  \"a\": 1,\n  \"q\": 2\n}\n", {"q"}, "{\n  \"a\": 1\n}\n"},
      {"{\n  \"q\": 2,\n  \"a\": 1\n}\n", {"q"}, "{\n  \"a\": 1\n}\n"},
      {"{\r\n\t\"a\": 1,\r\n\t\"q\": 2\r\n}", {"q"}, "{\r\n\t\"a\": 1\r\n}"},
      {"{\n  \"q\": 2\n}\n", {"q"}, "{}\n"},
      {R"({"a":1,"b":2,"c":3})", {"b", "c"}, R"({"a":1})"},
      {R"({"a":1,"b":2,"c":3})", {"c", "b"}, R"({"a":1})"},
      {R"({"a":1,"b":2,"c":3})", {"a", "b"}, R"({"c":3})"},
      {R"({"a":1,"b":2,"c":3})", {"a", "c"}, R"({"b":2})"},
      {R"({"a":1,"b":2,"c":3})", {"a", "b", "c"}, "{}"},
      {R"({"a":1,"b":2,"c":3,"d":4})", {"b", "c"}, R"({"a":1,"d":4})"},
      {R"({"a":NaN,"b":1})", {"a"}, R"({"b":1})"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const Result<Node> parsed = parse("f", row.text, {.python_numbers = true});
    REQUIRE(parsed.ok());
    Editor editor(row.text);
    for (const std::string& key : row.removed) {
      const auto& members = parsed.value().members;
      for (std::size_t i = 0; i < members.size(); ++i) {
        if (members[i].first == key) editor.remove_member(parsed.value(), i);
      }
    }
    CHECK(editor.apply() == row.expected);
  }
}

TEST_CASE("Editor: replacements and removals at several levels go together") {
  const std::string text =
      "{\n  \"dtype\": \"float16\",\n  \"quantization_config\": {\"dtype\": \"float16\"},\n"
      "  \"text\": {\"dtype\": \"float16\", \"quantization_config\": {\"a\": {}}},\n"
      "  \"quant\": 1\n}";
  const Result<Node> parsed = parse("f", text, {});
  REQUIRE(parsed.ok());
  const Node& root = parsed.value();
  Editor editor(text);
  editor.replace(*root.find("dtype"), "\"bfloat16\"");
  editor.replace(*root.find("quantization_config")->find("dtype"), "\"bfloat16\"");
  editor.replace(*root.find("text")->find("dtype"), "\"bfloat16\"");
  editor.remove_member(root, 1);
  editor.remove_member(root, 3);
  editor.remove_member(*root.find("text"), 1);
  CHECK(editor.apply() ==
        "{\n  \"dtype\": \"bfloat16\",\n  \"text\": {\"dtype\": \"bfloat16\"}\n}");
}

TEST_CASE("Editor: a removal beside a replaced value keeps the replacement") {
  const std::string text = R"({"a":1,"q":2,"b":3})";
  const Result<Node> parsed = parse("f", text, {});
  REQUIRE(parsed.ok());
  Editor editor(text);
  editor.replace(*parsed.value().find("a"), "10");
  editor.replace(*parsed.value().find("q"), "20");
  editor.replace(*parsed.value().find("b"), "30");
  editor.remove_member(parsed.value(), 1);
  CHECK(editor.apply() == R"({"a":10,"b":30})");
}

TEST_CASE("Editor: without edits the text stays as it is") {
  const std::string text = " {\"a\" :\t1 }\r\n";
  CHECK(Editor(text).apply() == text);
}

}  // namespace
}  // namespace thaw::json
