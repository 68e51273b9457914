#include "json_out.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <utility>

#include "json/write.h"

namespace thaw::app {

namespace {

// The length of the UTF-8 sequence that starts `text`; 0 when it is malformed.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0u) != 0x80) return 0;
  }
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool beyond = (first == 0xed && byte(1) > 0x9f) || (first == 0xf4 && byte(1) > 0x8f);
  return overlong || beyond ? 0 : length;
}

std::string valid_utf8(std::string_view raw) {
  std::string valid;
  while (!raw.empty()) {
    const std::size_t length = sequence_length(raw);
    valid += length == 0 ? std::string_view("\xef\xbf\xbd") : raw.substr(0, length);
    raw.remove_prefix(length == 0 ? 1 : length);
  }
  return valid;
}

}  // namespace

void JsonOut::separate() {
  if (!first_) out_ += ',';
  if (form_ == Form::indented && depth_ > 0) {
    out_ += '\n';
    out_.append(2 * depth_, ' ');
  } else if (!first_) {
    out_ += ' ';
  }
  first_ = false;
}

void JsonOut::open(char bracket) {
  separate();
  enter(bracket);
}

void JsonOut::enter(char bracket) {
  out_ += bracket;
  ++depth_;
  first_ = true;
}

void JsonOut::close(char bracket) {
  --depth_;
  if (!first_ && form_ == Form::indented) {
    out_ += '\n';
    out_.append(2 * depth_, ' ');
  }
  out_ += bracket;
  first_ = false;
}

void JsonOut::append_text(std::string_view text) { json::append_string(out_, valid_utf8(text)); }

void JsonOut::append_key(std::string_view key) {
  separate();
  append_text(key);
  out_ += ": ";
}

void JsonOut::begin_array(std::string_view key) {
  append_key(key);
  enter('[');
}

void JsonOut::begin_object(std::string_view key) {
  append_key(key);
  enter('{');
}

void JsonOut::member(std::string_view key, std::string_view value) {
  append_key(key);
  append_text(value);
}

void JsonOut::member(std::string_view key, std::uint64_t value) {
  append_key(key);
  out_ += std::to_string(value);
}

void JsonOut::member(std::string_view key, double value) {
  append_key(key);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.3f", value);
  out_ += text.data();
}

void JsonOut::figure(std::string_view key, double value) {
  append_key(key);
  append_figure(value);
}

void JsonOut::figure(double value) {
  separate();
  append_figure(value);
}

void JsonOut::append_figure(double value) {
  std::array<char, 64> text{};
  const auto [end, problem] = std::to_chars(text.data(), text.data() + text.size(), value);
  const bool finite = value - value == 0 && problem == std::errc();
  out_ += finite ? std::string_view(text.data(), static_cast<std::size_t>(end - text.data()))
                 : std::string_view("null");
}

void JsonOut::member(std::string_view key, bool value) {
  append_key(key);
  out_ += value ? "true" : "false";
}

void JsonOut::member(std::string_view key, const std::vector<std::string>& values) {
  begin_array(key);
  for (const std::string& value : values) item(value);
  end_array();
}

void JsonOut::item(std::string_view value) {
  separate();
  append_text(value);
}

void JsonOut::item(std::uint64_t value) {
  separate();
  out_ += std::to_string(value);
}

std::string JsonOut::take() && {
  out_ += '\n';
  return std::move(out_);
}

}  // namespace thaw::app
