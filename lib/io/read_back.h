// Reads a whole file in order through one buffer, past the page cache or leaving nothing in it: for
// checking what was written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/status.h"
#include "io/file_system.h"
#include "io/folder.h"

namespace thaw {

// Gets the bytes at an offset; an error ends the reading and is returned.
using Consumer = std::function<Status(std::uint64_t, std::span<const std::byte>)>;

// `path` is a regular file of `size` bytes and no symbolic link: ErrorCode::input otherwise.
// `buffer` is page-aligned and a multiple of 4096 bytes; more than a few MiB do not help.
[[nodiscard]] Status read_back(FileSystem& file_system, const std::string& path, std::uint64_t size,
                               std::span<std::byte> buffer, const Consumer& consume);
// Likewise a file of an open folder.
[[nodiscard]] Status read_back(const Folder& folder, const std::string& name, std::uint64_t size,
                               std::span<std::byte> buffer, const Consumer& consume);

}  // namespace thaw
