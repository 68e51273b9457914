// JSON for machines: the same values give the same bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace thaw::app {

// Writes one JSON value, its members in the order of the calls. Bytes of a name that are not UTF-8
// become U+FFFD, because JSON has no place for them.
class JsonOut {
 public:
  enum class Form : std::uint8_t { indented, line };
  explicit JsonOut(Form form = Form::indented) : form_(form) {}

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  // An array or object that is the value of a member.
  void begin_array(std::string_view key);
  void begin_object(std::string_view key);
  void begin_array() { open('['); }  // that is an item itself
  void end_array() { close(']'); }

  void member(std::string_view key, std::string_view value);
  void member(std::string_view key, const char* value) { member(key, std::string_view(value)); }
  void member(std::string_view key, std::uint64_t value);
  void member(std::string_view key, double value);  // three decimals
  void member(std::string_view key, bool value);
  // Enough digits to tell any two; null where it is no number.
  void figure(std::string_view key, double value);
  void member(std::string_view key, const std::vector<std::string>& values);
  void item(std::string_view value);
  void item(std::uint64_t value);
  void figure(double value);  // an item

  // The text with a newline at its end; the writer is spent.
  [[nodiscard]] std::string take() &&;

 private:
  void open(char bracket);
  void enter(char bracket);
  void close(char bracket);
  void separate();
  void append_key(std::string_view key);
  void append_text(std::string_view text);
  void append_figure(double value);

  Form form_;
  std::string out_;
  std::size_t depth_ = 0;
  bool first_ = true;  // nothing stands yet in the innermost bracket
};

}  // namespace thaw::app
