// What the entries of the fuzzers share. An entry takes any bytes and aborts when a property does
// not hold, so that a fuzzer and a test can run the same one.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>

#include "base/status.h"

namespace thaw::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

// No byte that a terminal obeys.
inline bool is_safe_line(std::string_view text) {
  for (const char c : text) {
    if ((c >= 0 && c < 0x20) || c == 0x7f) return false;
  }
  return true;
}

// specs/errors.md clause 2.
inline void check_error(const Error& error) {
  require(!error.messages.empty() && error.messages.size() <= 21);
  for (const std::string& message : error.messages) require(is_safe_line(message));
  require(is_safe_line(error.hint));
}

}  // namespace thaw::fuzz
