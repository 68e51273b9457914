// A compressor in front of another stream: one zstd frame, made by threads of libzstd.
// specs/archives.md clause 4.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/status.h"
#include "io/byte_stream.h"

namespace thaw {

constexpr int kLeastLevel = 1;
constexpr int kMostLevel = 22;

struct ZstdSettings {
  int level = 1;                      // kLeastLevel to kMostLevel
  unsigned workers = 1;               // at least 1; changes the speed, never a byte
  std::optional<std::uint64_t> size;  // of what is put, where it is known: the frame says it then
};

// Finishes `to` when it is finished; `to` must outlive it. Errors: ErrorCode::io when libzstd was
// built without threads, no_space when it gets no memory.
[[nodiscard]] Result<std::unique_ptr<ByteStream>> open_zstd_stream(ByteStream& to,
                                                                   const ZstdSettings& settings);

// The most that a compressor of this level and so many workers takes, in bytes.
[[nodiscard]] std::uint64_t zstd_memory(int level, unsigned workers);

}  // namespace thaw
