// Bytes that go somewhere in order: a pipe, a file, a compressor in front of another stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"

namespace thaw {

// Used by one thread at a time. After an error only the destructor may be called; it writes
// nothing, so that what a reader got ends in the middle.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Takes all of `bytes`, which are the caller's again on return.
  [[nodiscard]] virtual Status put(std::span<const std::byte> bytes) = 0;
  // Passes on what is still held back and, in a file, makes all of it durable. Once, at the end.
  [[nodiscard]] virtual Status finish() = 0;
  // Bytes that have left, or are about to, for the last place: the compressed ones.
  [[nodiscard]] virtual std::uint64_t size() const = 0;
};

}  // namespace thaw
