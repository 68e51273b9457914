// A stream into a descriptor that somebody gave us: standard output, which is a pipe, a file that
// the shell opened, a socket.
#pragma once

#include <memory>
#include <string>

#include "base/stop.h"
#include "io/byte_stream.h"
#include "io/file_system.h"

namespace thaw {

struct DescriptorSettings {
  int descriptor = 1;
  std::string name;                 // for messages
  std::uint64_t window = 64 << 20;  // of page cache, where the descriptor is a regular file
  const StopFlag* stop = nullptr;   // must outlive the stream; ends a wait for a slow reader
};

// Errors: ErrorCode::io, when the descriptor is closed or not open for writing; afterwards also
// for a pipe that nobody reads any more (SIGPIPE is ignored by the program).
[[nodiscard]] Result<std::unique_ptr<ByteStream>> open_descriptor_stream(
    FileSystem& file_system, const DescriptorSettings& settings);

}  // namespace thaw
