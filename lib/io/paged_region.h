// A file that its file system cannot map, read instead: address space as large as the file, where
// each part is read when it is first touched. So readers need not know which of the two they have.
// A touch raises SIGSEGV; the handler reads the part beside and moves it into its place. A part
// that cannot be read is zeros, and marks the region, as io/sigbus.h does. Private to lib/io.
// specs/memory.md clause 11.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace thaw {

// Touching is thread-safe, and so is everything else. Its memory is the process's own until it is
// dropped: who maps only what he needs, and drops it, needs no more than with a mapping.
class PagedRegion {
 public:
  // What is read at once.
  static constexpr std::uint64_t kPart = 256u << 10;

  // `fd` must stay open as long as the region lives. Null, and errno, where there is no address
  // space, or there are too many regions.
  static std::unique_ptr<PagedRegion> create(int fd, std::uint64_t size);
  ~PagedRegion();
  PagedRegion(const PagedRegion&) = delete;
  PagedRegion& operator=(const PagedRegion&) = delete;

  [[nodiscard]] const std::byte* data() const { return begin_; }
  // True once a part could not be read.
  [[nodiscard]] bool damaged() const;
  // Gives back the parts that lie wholly in [offset, offset + size), where the last part of the
  // file ends with it. A later touch reads them again.
  void drop(std::uint64_t offset, std::uint64_t size) const;

  struct Slot;

 private:
  PagedRegion(std::byte* begin, std::uint64_t size, std::uint64_t reserved, Slot* slot)
      : begin_(begin), size_(size), reserved_(reserved), slot_(slot) {}
  std::byte* begin_;
  std::uint64_t size_;
  std::uint64_t reserved_;  // size_, in whole parts
  Slot* slot_;
};

}  // namespace thaw
