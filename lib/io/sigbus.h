// Reads of mapped files that fail under us. A page that the file no longer has (truncated by
// somebody) or that the disk cannot deliver raises SIGBUS; the handler maps zero pages over the
// rest of the region, marks the region and returns, so that the reader goes on with zeros and
// finds the mark before it hands its result on. Private to lib/io.
#pragma once

#include <cstddef>
#include <cstdint>

namespace thaw {

// One guarded region; unguarded by the destructor, which must run before the memory is unmapped.
// Thread-safe. The handler is installed at first use and passes on what is not ours.
class SigbusGuard {
 public:
  SigbusGuard(const void* begin, std::size_t size);
  ~SigbusGuard();
  SigbusGuard(const SigbusGuard&) = delete;
  SigbusGuard& operator=(const SigbusGuard&) = delete;

  // False when there were too many regions to guard this one.
  [[nodiscard]] bool active() const { return slot_ != nullptr; }
  [[nodiscard]] bool damaged() const;

  struct Slot;

 private:
  Slot* slot_ = nullptr;
};

}  // namespace thaw
