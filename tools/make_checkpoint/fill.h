// Random numbers for any part of a tensor, from its key and the position alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor.h"

namespace thaw::tools {

// The bytes of tensors; the tables are for one float type, "F16" or "BF16".
class Filler {
 public:
  explicit Filler(const std::string& dtype);

  // Writes the bytes [offset, offset + out.size()) of the tensor; both are multiples of 8, but
  // that the last part may end anywhere.
  void fill(const TensorSpec& tensor, std::uint64_t offset, std::span<std::byte> out) const;

 private:
  static constexpr std::size_t kEntries = 4096;
  using Table = std::array<std::uint16_t, kEntries>;

  [[nodiscard]] std::uint64_t word(const TensorSpec& tensor, std::uint64_t index) const;

  Table scales_{};
  Table weights_{};
  Table norms_{};
  std::array<std::array<std::uint16_t, 16>, kEntries> scaled_zeros_{};
};

}  // namespace thaw::tools
