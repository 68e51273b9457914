// Where an output goes. A sink is opened for one plan, takes every byte of it once, and is then
// finished or abandoned; until it is finished, nothing stands at the destination.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"

namespace thaw {

class Sink {
 public:
  enum class Keep : bool { nothing, partial };

  // Without finish(), as abandon(Keep::partial).
  virtual ~Sink() = default;

  // True when write() must be called by one thread, in the order of the plan's files and bytes.
  [[nodiscard]] virtual bool ordered() const = 0;
  // True when the processor reads the bytes again at once: they should stay in its caches.
  [[nodiscard]] virtual bool rereads() const = 0;

  // True when all of plan.files[file] is there already: write() is not called for it.
  [[nodiscard]] virtual bool has(std::uint32_t /*file*/) const { return false; }

  // Takes `bytes` of plan.files[file] at `offset`. The bytes are the caller's again on return.
  [[nodiscard]] virtual Status write(std::uint32_t file, std::uint64_t offset,
                                     std::span<const std::byte> bytes) = 0;
  // What the sink keeps of the bytes beside them; 0 where it keeps nothing. From any thread: those
  // who make them have the time for it, and a disk waits for writers that do not write.
  [[nodiscard]] virtual std::uint32_t checksum(std::span<const std::byte> /*bytes*/) const {
    return 0;
  }
  // write(), of bytes whose checksum() is known.
  [[nodiscard]] virtual Status write_summed(std::uint32_t file, std::uint64_t offset,
                                            std::span<const std::byte> bytes,
                                            std::uint32_t /*checksum*/) {
    return write(file, offset, bytes);
  }
  // Makes all durable and lets the destination appear. After every byte was written.
  [[nodiscard]] virtual Status finish() = 0;
  // Ends without a destination. `partial` keeps what a later run can use; an ordered sink keeps
  // nothing, because a stream cannot be continued.
  virtual void abandon(Keep keep) = 0;

  // False where the file system has no locks: then nobody keeps a second run away.
  [[nodiscard]] virtual bool locked() const { return true; }
  // True once the output stands at its destination, even if finish() failed after that.
  [[nodiscard]] virtual bool published() const { return false; }
  // True when some of the output went around the page cache.
  [[nodiscard]] virtual bool used_direct() const { return false; }
  // Bytes of the archive or stream so far; 0 where the plan's files are the output.
  [[nodiscard]] virtual std::uint64_t stream_bytes() const { return 0; }
};

}  // namespace thaw
