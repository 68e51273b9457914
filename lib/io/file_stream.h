// A stream into a new file, past the page cache where the disk can.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "io/byte_stream.h"
#include "io/file_system.h"
#include "io/output_file.h"

namespace thaw {

class FileStream : public ByteStream {
 public:
  // What is collected before it is written; part of the memory plan.
  static constexpr std::uint64_t kBuffer = 4u << 20;

  // `size`: of the whole, where it is known; its space is reserved then. Errors as
  // OutputFile::create.
  static Result<std::unique_ptr<FileStream>> create(FileSystem& file_system,
                                                    const std::string& path,
                                                    std::optional<std::uint64_t> size,
                                                    OutputSettings settings);
  [[nodiscard]] virtual bool used_direct() const = 0;
};

}  // namespace thaw
