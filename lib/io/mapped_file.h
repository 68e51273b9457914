// A read-only input file, mapped as a whole: shared where the file system can, else privately (FUSE
// with direct_io, 9p). specs/memory.md clause 11.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"
#include "io/file_system.h"

namespace thaw {

// What identifies the content of an input without reading it.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  // Nobody can set it back, as mtime can be; renaming and linking the file change it too.
  std::int64_t changed_ns = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// Owns the mapping and a descriptor of the same inode. Reading bytes() of a file that somebody
// truncates gives zeros instead of a crash and sets damaged(). The const functions are thread-safe.
class MappedFile {
 public:
  // Only regular files (symbolic links are followed). An empty file is an error unless allowed.
  enum class Empty : bool { refused, allowed };
  static Result<MappedFile> open(FileSystem& file_system, const std::string& path,
                                 Empty empty = Empty::refused);

  MappedFile(MappedFile&&) noexcept;
  MappedFile& operator=(MappedFile&&) noexcept;
  ~MappedFile();

  [[nodiscard]] const std::string& path() const;
  [[nodiscard]] std::uint64_t size() const;
  [[nodiscard]] std::span<const std::byte> bytes() const;
  [[nodiscard]] const FileIdentity& identity() const;

  // Reads [offset, offset + size) into the page cache and maps it; at most 4 MiB a system call.
  // An error when the file is shorter than it was or cannot be read.
  [[nodiscard]] Status populate(std::uint64_t offset, std::uint64_t size) const;
  // Reads [offset, offset + size) into the page cache and nothing beyond it, for headers: a
  // read-ahead still under way could not be dropped again, and would stay for good.
  [[nodiscard]] Status read_exactly(std::uint64_t offset, std::uint64_t size) const;
  // Drops the pages that lie wholly in [offset, offset + size) from the mapping.
  void unmap_pages(std::uint64_t offset, std::uint64_t size) const;
  // Drops the range from the page cache; pass multiples of 4 MiB or up to the end of the file.
  void drop_cache(std::uint64_t offset, std::uint64_t size) const;
  // Both, and the page tables that served the range, which would else grow to 0.2 % of the file.
  // Not by two threads at once for one file.
  void drop(std::uint64_t offset, std::uint64_t size) const;

  // From now on the bytes are the process's own, read by populate() and read again after drop():
  // nobody who truncates the file can end the process. Touching what was not populated ends it.
  // Not by two threads at once, nor while the bytes are read. Errors: ErrorCode::no_space.
  [[nodiscard]] Status hold_pages() const;

  // True once a read met a page that no longer exists or could not be read.
  [[nodiscard]] bool damaged() const;
  // True when the file has another size, modification or change time than at open().
  [[nodiscard]] bool changed() const;
  // An error when the file was damaged, or has changed one of them since open().
  [[nodiscard]] Status check_unchanged() const;

 private:
  struct State;
  explicit MappedFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace thaw
