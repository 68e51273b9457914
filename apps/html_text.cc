#include "html_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "base/text.h"
#include "io/sha256.h"

namespace thaw::app {

namespace {

// Beyond the last digit of any double that lies halfway between two of the shown numbers.
constexpr int kExactDigits = 40;

// `digits`, "12.345...", with `places` digits behind the point; a half goes up.
std::string rounded(std::string digits, int places) {
  const std::size_t point = digits.find('.');
  const std::size_t end = point + 1 + static_cast<std::size_t>(places);
  bool carry = digits[end] >= '5';
  digits.resize(places == 0 ? point : end);
  for (std::size_t i = digits.size(); carry && i-- > 0;) {
    if (digits[i] == '.') continue;
    carry = digits[i] == '9';
    digits[i] = carry ? '0' : static_cast<char>(digits[i] + 1);
  }
  return carry ? std::string("1").append(digits) : digits;
}

std::string exact(const char* format, double value) {
  std::array<char, 400> text{};
  std::snprintf(text.data(), text.size(), format, kExactDigits, value);
  return text.data();
}

// Of what is no number; else empty.
std::string not_finite(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "\u221e" : "-\u221e";
  return {};
}

std::string base64(std::span<const unsigned char> bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](std::size_t k) { return k < bytes.size() ? unsigned{bytes[k]} : 0u; };
    const unsigned word = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k > bytes.size() ? '=' : kDigits[word >> (18 - 6 * k) & 63];
    }
  }
  return text;
}

}  // namespace

std::string html(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string html_name(std::string_view raw) { return html(printable(raw)); }

std::string script_json(std::string_view json) {
  std::string safe;
  safe.reserve(json.size() + json.size() / 16);
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '<' || c == '>' || c == '&') {
      safe += c == '<' ? "\\u003c" : c == '>' ? "\\u003e" : "\\u0026";
    } else if (json.substr(i, 3) == "\u2028" || json.substr(i, 3) == "\u2029") {
      safe += json.substr(i, 3) == "\u2028" ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string policy_hash(std::string_view content) {
  Sha256 hash;
  hash.add(std::as_bytes(std::span(content)));
  const std::string digits = hash.finish();
  std::array<unsigned char, 32> bytes{};
  if (digits.size() != 2 * bytes.size()) return {};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char* const begin = digits.data() + 2 * i;
    std::from_chars(begin, begin + 2, bytes[i], 16);
  }
  return "'sha256-" + base64(bytes) + "'";
}

std::string figure_html(double value) {
  if (std::string text = not_finite(value); !text.empty()) return text;
  if (value == 0) return "0";
  std::string text(value < 0 ? 1 : 0, '-');
  const std::string all = exact("%.*e", std::fabs(value));
  const std::size_t letter = all.find('e');
  int exponent = std::atoi(all.c_str() + letter + 1);
  std::string digits = rounded(all.substr(0, letter), 2);  // "1.23"
  if (digits.size() == 5) {                                // "10.00"
    digits = "1.00";
    ++exponent;
  }
  if (exponent < -4 || exponent > 5) {
    text += digits;
    text += 'e';
    text += std::to_string(exponent);
    return text;
  }
  digits.erase(1, 1);
  if (exponent < 0) {
    text += "0.";
    text.append(static_cast<std::size_t>(-exponent - 1), '0');
    text += digits;
  } else if (exponent < 2) {
    const auto whole = static_cast<std::size_t>(exponent) + 1;
    text.append(digits, 0, whole);
    text += '.';
    text.append(digits, whole);
  } else {
    text += digits;
    text.append(static_cast<std::size_t>(exponent - 2), '0');
  }
  return text;
}

std::string fixed_html(double value, int places) {
  if (std::string text = not_finite(value); !text.empty()) return text;
  std::string text(value < 0 ? 1 : 0, '-');
  text += rounded(exact("%.*f", std::fabs(value)), places);
  return text;
}

std::string count_html(std::uint64_t count) {
  std::string text = std::to_string(count);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, "\u202f");
  }
  return text;
}

// Not bytes_text(): the page shows what its script would, where a half goes up.
std::string size_html(std::uint64_t bytes) {
  constexpr std::array<const char*, 6> kUnits = {"B", "kB", "MB", "GB", "TB", "PB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return fixed_html(value, unit == 0 ? 0 : 1) + "\u00a0" + kUnits[unit];
}

}  // namespace thaw::app
