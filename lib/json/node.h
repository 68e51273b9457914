// A parsed JSON value with its place in the text, for configs and other small documents.
// (Headers and indexes, which can be 100 MB, are walked instead: json/walk.h.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace thaw::json {

enum class Kind : std::uint8_t { null, boolean, integer, number, string, array, object };

// `number` is any number that is not a 64-bit integer: fractions, exponents, integers beyond 64
// bits, and Python's NaN, Infinity and -Infinity where they are allowed; its value is not kept.
struct Node {
  Kind kind = Kind::null;
  bool boolean = false;
  std::int64_t integer = 0;
  std::string string;                                 // kind string, unescaped
  std::vector<Node> items;                            // kind array
  std::vector<std::pair<std::string, Node>> members;  // kind object, in the order of the text
  // The value's bytes in the text, [begin, end); key_begin is where its key's quote stands.
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t key_begin = 0;

  // In node.cc: where they were implicit, clang 14 would need the size of a Node to define one.
  Node();
  Node(const Node&);
  Node(Node&&) noexcept;
  Node& operator=(const Node&);
  Node& operator=(Node&&) noexcept;
  ~Node();

  [[nodiscard]] bool is_object() const { return kind == Kind::object; }
  // The member of that name; null when this is not an object or has none.
  [[nodiscard]] const Node* find(std::string_view key) const;
  [[nodiscard]] std::optional<std::int64_t> as_integer() const;
  [[nodiscard]] std::optional<bool> as_boolean() const;
  [[nodiscard]] std::optional<std::string_view> as_string() const;
};

struct ParseOptions {
  bool python_numbers = false;  // NaN, Infinity, -Infinity and integers beyond 64 bits may stand
  std::size_t most_depth = 64;
  std::size_t most_bytes = 16u << 20;
  std::size_t most_values = 250'000;  // a Node is 120 bytes, whatever little text it stands for
  bool lines = false;                 // errors say line and column, for files that people write
};

// Strict: UTF-8, one value, no duplicate keys, no trailing bytes (white space may). Errors are
// ErrorCode::input and name `file` with the byte offset, or the line and column.
[[nodiscard]] Result<Node> parse(std::string_view file, std::string_view text,
                                 const ParseOptions& options);

}  // namespace thaw::json
