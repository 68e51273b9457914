// A directory that is open. Whatever is done below it goes by its descriptor and one name at a
// time, and no link is followed on the way: what somebody else puts at a name of its path, at any
// moment, leads nowhere. specs/safety.md clause 11.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "io/directory.h"
#include "io/file_system.h"

namespace thaw {

// What stands under a name; of a link the link itself.
struct Entry {
  std::string name;
  FileKind kind = FileKind::other;  // `other` for a link
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;  // since 1970
  std::uint64_t device = 0;      // compared within one run only: it changes from boot to boot
  std::uint64_t inode = 0;
  std::uint64_t links = 0;  // names of a regular file
  mode_t mode = 0;          // permissions
  uid_t owner = 0;
  gid_t group = 0;

  [[nodiscard]] bool same_as(const Entry& other) const {
    return device == other.device && inode == other.inode;
  }
};

// Mode, owner and group of an open file or directory, as far as this user may set them and the file
// system has them; durable on return. A group that cannot be set gets no more than all others.
struct Access {
  mode_t mode = 0;
  uid_t owner = 0;
  gid_t group = 0;
};
[[nodiscard]] Status set_access(FileSystem& file_system, int fd, const std::string& path,
                                Access access);

// Not thread-safe to move; everything else is. Names have no slash. Errors: ErrorCode::io,
// no_space, and as said.
class Folder {
 public:
  // No part of `path` may be a link: it is resolved.
  static Result<Folder> open(FileSystem& file_system, const std::string& path);
  Folder(Folder&& other) noexcept
      : file_system_(other.file_system_),
        fd_(std::exchange(other.fd_, -1)),
        path_(std::move(other.path_)) {}
  Folder& operator=(Folder&& other) noexcept {
    std::swap(file_system_, other.file_system_);
    std::swap(fd_, other.fd_);
    std::swap(path_, other.path_);
    return *this;
  }
  ~Folder() {
    if (fd_ >= 0) file_system_->close(fd_);
  }

  [[nodiscard]] FileSystem& file_system() const { return *file_system_; }
  [[nodiscard]] int descriptor() const { return fd_; }
  [[nodiscard]] const std::string& path() const { return path_; }  // when it was opened
  [[nodiscard]] std::string path_of(std::string_view name) const;  // for messages

  [[nodiscard]] Result<Entry> self() const;
  [[nodiscard]] Result<std::optional<Entry>> look(const std::string& name) const;
  [[nodiscard]] Result<std::vector<Entry>> list() const;  // sorted by name, without . and ..

  [[nodiscard]] Result<Folder> enter(const std::string& name) const;
  // set_access() of a regular file.
  [[nodiscard]] Status set_access(const std::string& name, Access access) const;
  // Makes it, for its user alone if `mode` says so; one that is there is taken as it is.
  [[nodiscard]] Result<Folder> make(const std::string& name, mode_t mode = 0777) const;
  // Likewise each folder of "a/b/c.txt" but the last part, which is left in `name`.
  [[nodiscard]] Result<Folder> make_way_to(std::string& name) const;
  [[nodiscard]] Result<Folder> way_to(std::string& name) const;

  // A whole small regular file. Errors: ErrorCode::input.
  [[nodiscard]] Result<std::string> read(const std::string& name, std::uint64_t most) const;

  [[nodiscard]] Status rename(const std::string& name, const std::string& new_name) const;
  // ErrorCode::usage when something stands there.
  [[nodiscard]] Status rename_to_new(const std::string& name, const std::string& new_name) const;
  // To another folder.
  [[nodiscard]] Status move(const std::string& name, const Folder& to,
                            const std::string& new_name) const;
  // Whether a directory can be renamed at all; `full` in `to` is a directory that is not empty, so
  // that the attempt never succeeds. False on a lower layer of overlayfs.
  [[nodiscard]] Result<bool> can_move(const std::string& name, const Folder& to,
                                      const std::string& full) const;
  // False where the file system, or the kernel, cannot.
  [[nodiscard]] Result<bool> exchange(const std::string& a, const std::string& b) const;
  // Removes what is there, with all below it; nothing there is fine. Stops at a mount point.
  [[nodiscard]] Status remove(const std::string& name) const;
  [[nodiscard]] Status remove_empty(const std::string& name) const;
  [[nodiscard]] Status sync() const;

 private:
  Folder(FileSystem& file_system, int fd, std::string path)
      : file_system_(&file_system), fd_(fd), path_(std::move(path)) {}
  [[nodiscard]] Status error(std::string_view name, std::string_view action, int number) const;

  FileSystem* file_system_;
  int fd_;
  std::string path_;
};

// "user eve (1001)".
[[nodiscard]] std::string owner_text(uid_t owner);
// The user that files belong to that this process makes.
[[nodiscard]] uid_t this_user();
// Of an open file or directory.
[[nodiscard]] Result<Entry> entry_of(FileSystem& file_system, int fd, const std::string& path);

}  // namespace thaw
