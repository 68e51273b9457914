// Where the parts of a JSON text are. Judges only the bytes between the parts; whether a part is
// valid is for simdjson to say. Safe on any bytes. Internal.
#pragma once

#include <cstddef>
#include <string_view>

namespace thaw::json {

[[nodiscard]] constexpr bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
// True for a byte that ends a number or a word.
[[nodiscard]] constexpr bool is_delimiter(char c) {
  return is_space(c) || c == ',' || c == ':' || c == '{' || c == '}' || c == '[' || c == ']' ||
         c == '"';
}

[[nodiscard]] std::size_t skip_space(std::string_view text, std::size_t at);
// Past the closing quote of the string that opens at `at`; the text's size when it has no end.
[[nodiscard]] std::size_t skip_string(std::string_view text, std::size_t at);
// Past the value that begins at `at`; `at` itself when a delimiter stands there.
[[nodiscard]] std::size_t skip_value(std::string_view text, std::size_t at);

// Takes a container apart: '{' or '[' at the beginning, the parts, the commas and colons between
// them, and the closing bracket with nothing but white space behind it. If every key is a valid
// string and every value a valid value, then so is the container, by the grammar of JSON.
class Splitter {
 public:
  explicit Splitter(std::string_view text);

  // Moves to the first or next part. False at the end, and where the text is malformed.
  [[nodiscard]] bool next();
  [[nodiscard]] bool malformed() const { return problem_ != nullptr; }
  // After malformed(): what was expected at position().
  [[nodiscard]] const char* problem() const { return problem_; }
  [[nodiscard]] std::size_t position() const { return at_; }

  // Of the current part. The key has its quotes, and is empty in an array.
  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] std::string_view value() const { return value_; }
  [[nodiscard]] std::size_t key_begin() const { return key_begin_; }
  [[nodiscard]] std::size_t value_begin() const { return value_begin_; }

 private:
  bool fail(const char* problem);
  bool finish();

  std::string_view text_;
  std::size_t at_ = 0;
  char open_ = 0;  // '{' or '['
  bool first_ = true;
  bool ended_ = false;
  const char* problem_ = nullptr;
  std::string_view key_;
  std::string_view value_;
  std::size_t key_begin_ = 0;
  std::size_t value_begin_ = 0;
};

}  // namespace thaw::json
