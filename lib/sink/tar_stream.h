// A plan's files as a tar archive: the headers are fixed before the first byte, the content passes
// through. specs/archives.md clauses 2 and 3.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "io/byte_stream.h"
#include "plan/plan.h"

namespace thaw {

struct TarLayout {
  // One for each file of the plan: what stands before its content, the entries of directories
  // that come up for the first time included.
  std::vector<std::string> headers;
  std::uint64_t size = 0;  // of the whole archive, in bytes
};

// `root` is the top folder, without slashes.
[[nodiscard]] TarLayout lay_out_tar(const PlannedFiles& plan, const std::string& root,
                                    std::uint64_t mtime);

class TarStream {
 public:
  // All three must outlive it.
  TarStream(const PlannedFiles& plan, const TarLayout& layout, ByteStream& to)
      : plan_(plan), layout_(layout), to_(to) {}

  // The plan's bytes, in its order. Errors: those of the stream, and ErrorCode::bug.
  [[nodiscard]] Status write(std::uint32_t file, std::uint64_t offset,
                             std::span<const std::byte> bytes);
  // What is left: empty files, and the end of the archive. Does not finish the stream.
  [[nodiscard]] Status finish();

 private:
  Status put(std::string_view text);
  Status put_zeros(std::uint64_t count);
  Status begin_next();  // ends the file that is under way and begins the next one

  const PlannedFiles& plan_;
  const TarLayout& layout_;
  ByteStream& to_;
  std::uint64_t begun_ = 0;   // files, with their headers
  std::uint64_t offset_ = 0;  // in the last of them
  std::uint64_t put_ = 0;     // bytes of the archive
};

}  // namespace thaw
