// Filled buffers on their way to the sink.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

namespace thaw {

struct FilledBuffer {
  std::byte* buffer = nullptr;
  std::uint32_t file = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t tensors_ended = 0;
  std::uint32_t checksum = 0;  // as Sink::checksum() has it
};

// Thread-safe. Bounded by the buffer pool: every entry holds a buffer.
class OutputQueue {
 public:
  // in_order: pop() gives sequence 0, 1, 2, ... and waits for the one that is missing.
  explicit OutputQueue(bool in_order) : in_order_(in_order) {}

  void push(std::uint64_t sequence, const FilledBuffer& filled);
  // Nothing once stopped, and once ended and empty.
  [[nodiscard]] std::optional<FilledBuffer> pop();
  void end();   // no more will be pushed
  void stop();  // wakes all who wait, for good

 private:
  const bool in_order_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, FilledBuffer> waiting_;  // by sequence
  std::uint64_t next_ = 0;
  bool ended_ = false;
  bool stopped_ = false;
};

}  // namespace thaw
