// FNV-1a, 64 bit: tells whether two descriptions are the same; no protection against an attacker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace thaw {

class Hash {
 public:
  void add_bytes(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
      state_ = (state_ ^ static_cast<std::uint64_t>(byte)) * 0x100'0000'01b3u;
    }
  }
  // With its length, so that ("ab", "c") and ("a", "bc") differ.
  void add(std::string_view text) {
    add(static_cast<std::uint64_t>(text.size()));
    add_bytes(std::as_bytes(std::span(text.data(), text.size())));
  }
  void add(std::uint64_t number) { add_bytes(std::as_bytes(std::span(&number, 1))); }

  [[nodiscard]] std::uint64_t value() const { return state_; }
  [[nodiscard]] std::string hex() const {
    std::string text(16, '0');
    for (std::size_t i = 0; i < text.size(); ++i) {
      text[15 - i] = "0123456789abcdef"[(state_ >> (4 * i)) & 0xf];
    }
    return text;
  }

 private:
  std::uint64_t state_ = 0xcbf2'9ce4'8422'2325u;
};

}  // namespace thaw
