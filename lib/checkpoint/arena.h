// Storage for many small names and shapes that all live as long as their owner: no allocation
// and no header for each. What it returns stays where it is when the Arena moves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace thaw {

class Arena {
 public:
  [[nodiscard]] std::string_view copy(std::string_view text);
  [[nodiscard]] std::span<const std::uint64_t> copy(std::span<const std::uint64_t> numbers);

 private:
  [[nodiscard]] std::uint64_t* take(std::size_t words);

  std::vector<std::unique_ptr<std::uint64_t[]>> blocks_;
  std::uint64_t* free_ = nullptr;
  std::size_t free_words_ = 0;
};

}  // namespace thaw
