#include "checkpoint/shard.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "checkpoint/download_hint.h"
#include "checkpoint/names.h"

namespace thaw {

namespace {

constexpr std::uint64_t kStep = 4u << 20;

// Reads the header once in steps, so that a file that cannot be read is an error here and not a
// fault later, and hashes it.
Result<std::uint64_t> hash_header(const MappedFile& file, std::uint64_t end) {
  Hash hash;
  for (std::uint64_t at = 0; at < end; at += kStep) {
    const std::uint64_t size = std::min(kStep, end - at);
    THAW_RETURN_IF_ERROR(file.read_exactly(at, size));
    hash.add_bytes(file.bytes().subspan(at, size));
    file.unmap_pages(at, size);
  }
  return hash.value();
}

}  // namespace

Result<Shard> open_shard(FileSystem& file_system, const std::string& directory,
                         const std::string& name, std::uint32_t number, TensorTable& table) {
  THAW_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(file_system, join_path(directory, name),
                                                          MappedFile::Empty::allowed));
  if (file.size() == 0) {
    return fail(ErrorCode::input, {.file = file.path(), .tensor = {}}, "is empty",
                download_hint(file.path()));
  }
  THAW_RETURN_IF_ERROR(file.read_exactly(0, std::min(kHeaderBegin, file.size())));
  THAW_ASSIGN_OR_RETURN(const std::uint64_t length, header_length(file.path(), file.bytes()));
  const std::uint64_t end = kHeaderBegin + length;
  THAW_ASSIGN_OR_RETURN(const std::uint64_t hash, hash_header(file, end));
  std::uint64_t unmapped = 0;
  const Status header =
      read_header(file.path(), file.bytes(), number, table, [&](std::uint64_t offset) {
        const std::uint64_t to = round_down(offset, kStep);
        file.unmap_pages(unmapped, to - unmapped);
        unmapped = to;
      });
  // A file that changed meanwhile is that, and not a bad header.
  THAW_RETURN_IF_ERROR(file.check_unchanged());
  if (!header.ok()) return Status(header.error());
  file.unmap_pages(0, round_up(end, kStep));
  file.drop_cache(0, round_up(end, kStep));
  return Shard{name, std::move(file), hash};
}

}  // namespace thaw
