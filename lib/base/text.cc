#include "base/text.h"

#include <array>
#include <cstdio>

namespace thaw {

namespace {

constexpr std::size_t kLongestPrinted = 200;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The length of the UTF-8 sequence at `at`, and its code point; 0 when it is malformed.
std::size_t decode(std::string_view text, std::size_t at, std::uint32_t& code_point) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) {
    code_point = first;
    return 1;
  }
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > text.size()) return 0;
  code_point = first & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0u) != 0x80) return 0;
    code_point = (code_point << 6) | (byte(at + i) & 0x3fu);
  }
  constexpr std::array<std::uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x1'0000};
  const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  if (code_point < kSmallest[length] || code_point > 0x10'ffff || surrogate) return 0;
  return length;
}

bool is_control(std::uint32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0) ||
         (code_point >= 0x200b && code_point <= 0x200f) ||
         (code_point >= 0x2028 && code_point <= 0x202e) ||
         (code_point >= 0x2060 && code_point <= 0x2069) || code_point == 0xfeff;
}

void append_escaped(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    switch (c) {
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\\':
        out += "\\\\";
        break;
      default: {
        std::array<char, 8> hex{};
        std::snprintf(hex.data(), hex.size(), "\\x%02x", static_cast<unsigned char>(c));
        out += hex.data();
      }
    }
  }
}

std::string escape(std::string_view raw) {
  std::string out;
  for (std::size_t at = 0; at < raw.size();) {
    std::uint32_t code_point = 0;
    const std::size_t length = decode(raw, at, code_point);
    const std::string_view bytes = raw.substr(at, length == 0 ? 1 : length);
    if (length == 0 || code_point == '\\' || is_control(code_point)) {
      append_escaped(out, bytes);
    } else {
      out += bytes;
    }
    at += bytes.size();
  }
  return out;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    std::uint32_t code_point = 0;
    const std::size_t length = decode(bytes, at, code_point);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string printable(std::string_view raw) {
  if (raw.size() <= kLongestPrinted) return escape(raw);
  constexpr std::size_t kKept = kLongestPrinted / 2;
  return escape(raw.substr(0, kKept)) + "...(" + std::to_string(raw.size() - 2 * kKept) +
         " bytes)..." + escape(raw.substr(raw.size() - kKept));
}

std::string in_quotes(std::string_view raw) { return '"' + printable(raw) + '"'; }

bool natural_less(std::string_view a, std::string_view b) {
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      const auto number = [](std::string_view text, std::size_t& at) {
        while (at < text.size() && text[at] == '0') ++at;
        const std::size_t begin = at;
        while (at < text.size() && is_digit(text[at])) ++at;
        return text.substr(begin, at - begin);
      };
      const std::string_view x = number(a, i);
      const std::string_view y = number(b, j);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
      continue;
    }
    if (a[i] != b[j]) return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
    ++i;
    ++j;
  }
  if (i < a.size() || j < b.size()) return j < b.size();
  return a < b;
}

std::string shape_text(std::span<const std::uint64_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 6> kUnits = {"B", "kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text.data();
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  std::size_t at = 0;
  std::uint64_t whole = 0;
  while (at < text.size() && is_digit(text[at])) {
    if (__builtin_mul_overflow(whole, 10u, &whole)) return std::nullopt;
    if (__builtin_add_overflow(whole, static_cast<std::uint64_t>(text[at] - '0'), &whole)) {
      return std::nullopt;
    }
    ++at;
  }
  if (at == 0) return std::nullopt;
  std::uint64_t fraction = 0;
  std::uint64_t fraction_scale = 1;
  if (at < text.size() && text[at] == '.') {
    ++at;
    const std::size_t begin = at;
    while (at < text.size() && is_digit(text[at]) && at - begin < 6) {
      fraction = fraction * 10 + static_cast<std::uint64_t>(text[at] - '0');
      fraction_scale *= 10;
      ++at;
    }
    if (at == begin) return std::nullopt;
  }
  if (at < text.size() && text[at] == ' ') ++at;
  std::string unit;
  for (const char c : text.substr(at)) {
    unit += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  if (!unit.empty() && unit.back() == 'b') unit.pop_back();
  std::uint64_t factor = 1;
  if (!unit.empty()) {
    constexpr std::string_view kPrefixes = "kmgtp";
    const std::size_t power = kPrefixes.find(unit[0]);
    const bool binary = unit.size() == 2 && unit[1] == 'i';
    if (power == std::string_view::npos || (unit.size() != 1 && !binary)) return std::nullopt;
    for (std::size_t i = 0; i <= power; ++i) factor *= binary ? 1024 : 1000;
  }
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(whole, factor, &bytes)) return std::nullopt;
  const std::uint64_t part =
      factor / fraction_scale * fraction + factor % fraction_scale * fraction / fraction_scale;
  if (__builtin_add_overflow(bytes, part, &bytes)) return std::nullopt;
  return bytes;
}

}  // namespace thaw
