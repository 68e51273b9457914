// SHA-256, as sha256sum prints it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace thaw {

class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  void add(std::span<const std::byte> bytes);
  // 64 hexadecimal digits; once, after all bytes.
  [[nodiscard]] std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace thaw
