// CRC-32, as gzip has it, of a file whose pieces come in any order and from any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace thaw {

[[nodiscard]] std::uint32_t crc32_of(std::span<const std::byte> bytes);

// Of a file of `size` bytes: each byte is added once. Thread-safe.
class Crc32 {
 public:
  explicit Crc32(std::uint64_t size = 0) : size_(size) {}
  // `size` bytes whose crc32_of() is `crc32` stand at `offset` of the file.
  void add(std::uint64_t offset, std::uint64_t size, std::uint32_t crc32);
  // After all bytes.
  [[nodiscard]] std::uint32_t value() const { return value_.load(); }

 private:
  std::uint64_t size_;
  std::atomic<std::uint32_t> value_{0};
};

}  // namespace thaw
