// Directories and names: what is there, making, renaming and removing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "io/file_system.h"

namespace thaw {

enum class FileKind : std::uint8_t { regular, directory, other };

struct DirectoryEntry {
  std::string name;
  FileKind kind = FileKind::other;  // of what a link points at
  bool link = false;                // a symbolic link, broken ones included (kind other)
  std::uint64_t size = 0;
};

// What a path is, links followed; nothing when it does not exist or cannot be looked at.
[[nodiscard]] std::optional<FileKind> file_kind(const std::string& path);
[[nodiscard]] bool exists(const std::string& path);  // a broken link exists too
[[nodiscard]] bool is_link(const std::string& path);
[[nodiscard]] bool is_mount_point(const std::string& path);

// Which directory a path is, whatever name it has or gets.
struct DirectoryIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const DirectoryIdentity&, const DirectoryIdentity&) = default;
};
[[nodiscard]] Result<DirectoryIdentity> identify_directory(FileSystem& file_system,
                                                           const std::string& path);

// The entries of a directory, sorted by name, without . and .. .
[[nodiscard]] Result<std::vector<DirectoryEntry>> list_directory(const std::string& path);
// A whole small text file; an error beyond `most` bytes.
[[nodiscard]] Result<std::string> read_file(FileSystem& file_system, const std::string& path,
                                            std::uint64_t most);

// The absolute path with every link resolved; of a path whose last parts do not exist, the
// resolved existing part and the rest.
[[nodiscard]] std::string resolved_path(const std::string& path);

[[nodiscard]] Status make_directories(FileSystem& file_system, const std::string& path);
[[nodiscard]] Status sync_directory(FileSystem& file_system, const std::string& path);
[[nodiscard]] Status rename_path(FileSystem& file_system, const std::string& from,
                                 const std::string& to);
// ErrorCode::usage when something stands at `to`.
[[nodiscard]] Status rename_to_new(FileSystem& file_system, const std::string& from,
                                   const std::string& to);
[[nodiscard]] Status exchange_paths(FileSystem& file_system, const std::string& a,
                                    const std::string& b);
// Removes a directory and all below it; links are removed, never followed.
[[nodiscard]] Status remove_tree(FileSystem& file_system, const std::string& path);
// Where the system does not tell, that is no error: FreeSpace::known is false.
[[nodiscard]] Result<FreeSpace> free_space(FileSystem& file_system, const std::string& path);

}  // namespace thaw
