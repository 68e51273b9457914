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
  // `bytes` stand at `offset` of the file.
  void add(std::uint64_t offset, std::span<const std::byte> bytes);
  // After all bytes.
  [[nodiscard]] std::uint32_t value() const { return value_.load(); }

 private:
  std::uint64_t size_;
  std::atomic<std::uint32_t> value_{0};
};

}  // namespace thaw
