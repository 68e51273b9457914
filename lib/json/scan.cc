#include "json/scan.h"

#include <cstring>

namespace thaw::json {

std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

std::size_t skip_string(std::string_view text, std::size_t at) {
  ++at;
  while (at < text.size()) {
    if (text[at] == '"') return at + 1;
    at += text[at] == '\\' ? 2 : 1;
  }
  return text.size();
}

std::size_t skip_value(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
    } else if (c == '{' || c == '[') {
      ++depth;
      ++at;
    } else if (depth != 0 && (c == '}' || c == ']')) {
      --depth;
      ++at;
    } else if (depth == 0) {
      while (at < text.size() && !is_delimiter(text[at])) ++at;
      return at;
    } else {
      ++at;
      continue;
    }
    if (depth == 0) return at;
  }
  return at;
}

Splitter::Splitter(std::string_view text) : text_(text) {
  at_ = skip_space(text_, 0);
  if (at_ == text_.size() || (text_[at_] != '{' && text_[at_] != '[')) {
    problem_ = "expected an object or an array";
    return;
  }
  open_ = text_[at_++];
}

bool Splitter::fail(const char* problem) {
  problem_ = problem;
  return false;
}

bool Splitter::finish() {
  ended_ = true;
  at_ = skip_space(text_, at_ + 1);
  return at_ == text_.size() ? false : fail("bytes after the end of the value");
}

bool Splitter::next() {
  if (ended_ || malformed()) return false;
  const char close = open_ == '{' ? '}' : ']';
  at_ = skip_space(text_, at_);
  if (at_ < text_.size() && text_[at_] == close) return finish();
  if (!first_) {
    if (at_ == text_.size() || text_[at_] != ',') return fail("expected a comma or the end");
    at_ = skip_space(text_, at_ + 1);
  }
  first_ = false;
  if (open_ == '{') {
    if (at_ == text_.size() || text_[at_] != '"') return fail("expected a key in quotes");
    key_begin_ = at_;
    at_ = skip_string(text_, at_);
    key_ = text_.substr(key_begin_, at_ - key_begin_);
    at_ = skip_space(text_, at_);
    if (at_ == text_.size() || text_[at_] != ':') return fail("expected a colon");
    at_ = skip_space(text_, at_ + 1);
  }
  value_begin_ = at_;
  at_ = skip_value(text_, at_);
  value_ = text_.substr(value_begin_, at_ - value_begin_);
  return value_.empty() ? fail("expected a value") : true;
}

}  // namespace thaw::json
