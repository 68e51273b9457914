// Which parts of the mapped input are in memory. Pages come in 4 MiB chunks; a chunk stays while
// somebody uses it, and a moment longer, because the next user is often its neighbour.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <vector>

#include "base/status.h"
#include "io/mapped_file.h"
#include "plan/input_ranges.h"

namespace thaw {

// Thread-safe. The files must outlive it.
class InputCache {
 public:
  // Whether the kernel may read on beyond a range: a help where the next range follows, but where
  // none does, what it still reads then is dropped by nobody.
  enum class ReadAhead : bool { none, kernel };

  // Keeps at most `idle_bytes` of chunks that nobody uses.
  InputCache(std::span<const MappedFile* const> files, std::uint64_t idle_bytes,
             ReadAhead read_ahead = ReadAhead::kernel);

  // Reads the ranges into memory and holds each there until release() of the same range. Neighbours
  // are read at once, however small they are: what a batch of small tensors needs lies side by
  // side.
  [[nodiscard]] Status acquire(std::span<const InputRange> ranges);
  [[nodiscard]] Status acquire(const InputRange& range) { return acquire({&range, 1}); }
  void release(const InputRange& range);
  // Gives everything back that nobody uses.
  void drop_idle();

  // Bytes brought in so far, chunks counted whole; a chunk that was dropped counts again.
  [[nodiscard]] std::uint64_t bytes_read() const;

 private:
  struct Chunk {
    std::uint32_t users = 0;
    std::uint32_t stamp = 0;  // of the last time it became idle
    bool resident = false;
  };
  struct Idle {
    std::uint32_t file;
    std::uint32_t chunk;
    std::uint32_t stamp;
  };
  void hold(const InputRange& range);
  [[nodiscard]] Status read(const InputRange& range);
  void drop_oldest_beyond(std::uint64_t most);

  std::span<const MappedFile* const> files_;
  const std::uint64_t most_idle_;
  const ReadAhead read_ahead_;
  mutable std::mutex mutex_;
  std::vector<std::vector<Chunk>> chunks_;            // a list for each file, made at its first use
  std::vector<std::atomic<std::uint64_t>> read_end_;  // of each file, where its last range ended
  std::deque<Idle> idle_;                             // the oldest first; stale entries are skipped
  std::uint64_t idle_chunks_ = 0;
  std::uint64_t read_ = 0;
};

}  // namespace thaw
