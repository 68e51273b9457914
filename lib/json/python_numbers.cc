#include "json/python_numbers.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include "json/scan.h"

namespace thaw::json {

namespace {

std::size_t skip_digits(std::string_view token, std::size_t at) {
  while (at < token.size() && token[at] >= '0' && token[at] <= '9') ++at;
  return at;
}

// True for a number by the grammar of JSON that a parser of 64-bit numbers may refuse.
bool is_wide_number(std::string_view token) {
  std::size_t at = token.front() == '-' ? 1 : 0;
  const std::size_t begin = at;
  at = skip_digits(token, at);
  const std::size_t digits = at - begin;
  if (digits == 0 || (digits > 1 && token[begin] == '0')) return false;
  if (at == token.size()) {
    std::int64_t value = 0;
    return std::from_chars(token.data(), token.data() + token.size(), value).ec != std::errc();
  }
  if (token[at] == '.') {
    const std::size_t fraction = at + 1;
    at = skip_digits(token, fraction);
    if (at == fraction) return false;
  }
  if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
    ++at;
    if (at < token.size() && (token[at] == '+' || token[at] == '-')) ++at;
    const std::size_t exponent = at;
    at = skip_digits(token, exponent);
    if (at == exponent) return false;
  }
  return at == token.size();
}

bool is_python_word(std::string_view token) {
  return token == "NaN" || token == "Infinity" || token == "-Infinity";
}

}  // namespace

std::string without_python_numbers(std::string_view text) {
  std::string plain(text);
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '"') {
      at = skip_string(text, at);
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && !is_delimiter(text[end])) ++end;
    const std::string_view token = text.substr(at, end - at);
    if (!token.empty() && (is_python_word(token) || is_wide_number(token))) {
      plain.replace(at, token.size(), token.size(), ' ');
      plain[at] = '0';
    }
    at = token.empty() ? at + 1 : end;
  }
  return plain;
}

}  // namespace thaw::json
