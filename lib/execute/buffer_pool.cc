#include "execute/buffer_pool.h"

#include <sys/mman.h>

#include <utility>

#include "base/bytes.h"
#include "base/text.h"

namespace thaw {

namespace {
constexpr std::uint64_t kHugePage = 2u << 20;
}

Result<AlignedMemory> AlignedMemory::allocate(std::uint64_t size) {
  AlignedMemory memory;
  memory.size_ = round_up(size, kHugePage);
  memory.mapped_size_ = memory.size_ + kHugePage;
  memory.mapped_ = ::mmap(nullptr, memory.mapped_size_, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory.mapped_ == MAP_FAILED) {
    memory.mapped_ = nullptr;
    return fail(ErrorCode::no_space, {.file = {}, .tensor = {}},
                "the system refused " + bytes_text(size) + " of memory", "Try a smaller --memory.");
  }
  const auto address = reinterpret_cast<std::uintptr_t>(memory.mapped_);
  memory.data_ = reinterpret_cast<std::byte*>(round_up(address, kHugePage));
  // Fewer page faults and TLB misses; without it all works the same.
  static_cast<void>(::madvise(memory.data_, memory.size_, MADV_HUGEPAGE));
  return memory;
}

AlignedMemory::AlignedMemory(AlignedMemory&& other) noexcept { *this = std::move(other); }

AlignedMemory& AlignedMemory::operator=(AlignedMemory&& other) noexcept {
  std::swap(mapped_, other.mapped_);
  std::swap(mapped_size_, other.mapped_size_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

AlignedMemory::~AlignedMemory() {
  if (mapped_ != nullptr) ::munmap(mapped_, mapped_size_);
}

Result<std::vector<AlignedMemory>> BufferPool::allocate(std::uint64_t count, std::uint64_t size) {
  std::vector<AlignedMemory> buffers;
  for (std::uint64_t i = 0; i < count; ++i) {
    THAW_ASSIGN_OR_RETURN(AlignedMemory buffer, AlignedMemory::allocate(size));
    buffers.push_back(std::move(buffer));
  }
  return buffers;
}

BufferPool::BufferPool(std::span<const AlignedMemory> buffers) {
  for (const AlignedMemory& buffer : buffers) free_.push_back(buffer.data());
}

std::byte* BufferPool::acquire() {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [this] { return closed_ || !free_.empty(); });
  if (closed_) return nullptr;
  std::byte* buffer = free_.back();
  free_.pop_back();
  return buffer;
}

void BufferPool::release(std::byte* buffer) {
  const std::lock_guard lock(mutex_);
  free_.push_back(buffer);
  freed_.notify_one();
}

void BufferPool::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  freed_.notify_all();
}

}  // namespace thaw
