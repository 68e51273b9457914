// A fixed set of recycled, page-aligned buffers: the output that exists in memory at any time.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "base/status.h"

namespace thaw {

// Anonymous memory, 2 MiB-aligned, in huge pages where the system has them.
class AlignedMemory {
 public:
  AlignedMemory() = default;
  static Result<AlignedMemory> allocate(std::uint64_t size);
  AlignedMemory(AlignedMemory&& other) noexcept;
  AlignedMemory& operator=(AlignedMemory&& other) noexcept;
  ~AlignedMemory();

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  void* mapped_ = nullptr;
  std::uint64_t mapped_size_ = 0;
  std::byte* data_ = nullptr;
  std::uint64_t size_ = 0;
};

// Thread-safe.
class BufferPool {
 public:
  static Result<std::vector<AlignedMemory>> allocate(std::uint64_t count, std::uint64_t size);
  // Lends `buffers`, which must outlive the pool.
  explicit BufferPool(std::span<const AlignedMemory> buffers);

  // Waits for a free buffer; null once the pool is closed.
  [[nodiscard]] std::byte* acquire();
  void release(std::byte* buffer);
  // Wakes all who wait, for good.
  void close();

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::byte*> free_;
  bool closed_ = false;
};

}  // namespace thaw
