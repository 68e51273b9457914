// What the fuzzers of JSON run, and what a test runs over their corpus: takes any bytes, and aborts
// when a property does not hold.
#pragma once

#include <string>
#include <string_view>

#include "fuzz/require.h"
#include "json/edit.h"
#include "json/node.h"
#include "json/walk.h"

namespace thaw::fuzz {

inline void check_places(std::string_view text, const json::Node& node) {
  require(node.begin < node.end && node.end <= text.size());
  const char first = text[node.begin];
  require((node.kind == json::Kind::object) == (first == '{'));
  require((node.kind == json::Kind::array) == (first == '['));
  require((node.kind == json::Kind::string) == (first == '"'));
  std::size_t at = node.begin;
  for (const auto& [key, value] : node.members) {
    require(value.key_begin > at && text[value.key_begin] == '"' && value.begin > value.key_begin);
    at = value.end;
    check_places(text, value);
  }
  for (const json::Node& item : node.items) {
    require(item.begin > at - (at == node.begin ? 0 : 1));
    at = item.end;
    check_places(text, item);
  }
  require(at < node.end || at == node.begin);
}

inline void run_json(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<json::Node> strict = json::parse("f", text, {.most_depth = 9});
  const Result<json::Node> python = json::parse("f", text, {.python_numbers = true});
  if (strict.ok()) require(python.ok());
  if (python.ok()) check_places(text, python.value());
  json::ObjectWalk walk("f", text, 0);
  while (walk.next()) {
    if (const auto value = walk.value()) require(value->text().size() < 1000);
  }
  // The walk leaves keys that stand twice in the walked object to its caller, and is one level
  // deeper in than a parse.
  if (strict.ok() && strict.value().is_object()) require(walk.status().ok());
  if (walk.status().ok() && !strict.ok()) {
    require(strict.error().text().find("stands twice") != std::string::npos);
  }
}

inline void edit_all(const json::Node& node, std::uint8_t choice, json::Editor& editor) {
  for (std::size_t i = 0; i < node.members.size(); ++i) {
    const json::Node& value = node.members[i].second;
    if (node.members[i].first == "x" || ((choice >> (i % 8)) & 1) != 0) {
      editor.remove_member(node, i);
    } else if (value.kind == json::Kind::string) {
      editor.replace(value, "\"r\"");
    }
    edit_all(value, static_cast<std::uint8_t>(choice * 5 + 3), editor);
  }
  for (const json::Node& item : node.items) edit_all(item, choice, editor);
}

inline std::size_t count_after_edit(const json::Node& node, std::uint8_t choice) {
  std::size_t count = node.items.size();
  for (std::size_t i = 0; i < node.members.size(); ++i) {
    if (node.members[i].first == "x" || ((choice >> (i % 8)) & 1) != 0) continue;
    count +=
        1 + count_after_edit(node.members[i].second, static_cast<std::uint8_t>(choice * 5 + 3));
  }
  for (const json::Node& item : node.items) count += count_after_edit(item, choice);
  return count;
}

inline std::size_t count_all(const json::Node& node) {
  std::size_t count = node.items.size() + node.members.size();
  for (const auto& [key, value] : node.members) count += count_all(value);
  for (const json::Node& item : node.items) count += count_all(item);
  return count;
}

inline void run_edit(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return;
  const std::uint8_t choice = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const json::ParseOptions options{.python_numbers = true};
  const Result<json::Node> before = json::parse("f", text, options);
  if (!before.ok()) return;
  require(json::Editor(text).apply() == text);
  json::Editor editor(text);
  edit_all(before.value(), choice, editor);
  const std::string edited = editor.apply();
  const Result<json::Node> after = json::parse("f", edited, options);
  require(after.ok());
  require(count_all(after.value()) == count_after_edit(before.value(), choice));
}

}  // namespace thaw::fuzz
