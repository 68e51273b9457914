// A lock on a directory or on a regular file, held by one process, or by several that share it.
// The kernel lets go of it when the process ends, however it ends.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/status.h"
#include "io/file_system.h"

namespace thaw {

// exclusive: nobody else holds the lock; shared: others may, who share it too.
enum class Sharing : bool { exclusive, shared };

// Owns a descriptor of what is locked; letting go of it is closing that. Not thread-safe.
class Lock {
 public:
  // The directory must be there; a symbolic link is not followed. Processes on other machines see
  // such a lock only where the network file system passes it on. Errors: ErrorCode::locked when
  // another process holds it.
  static Result<Lock> take_directory(FileSystem& file_system, const std::string& path,
                                     Sharing sharing = Sharing::exclusive);
  // The file is made if it is not there, and not changed if it is; a link is not followed. Every
  // machine of a network file system that has locks sees it. Errors: ErrorCode::locked, and usage
  // when the path is something else than a regular file.
  static Result<Lock> take_file(FileSystem& file_system, const std::string& path,
                                Sharing sharing = Sharing::exclusive);
  Lock(Lock&& other) noexcept
      : file_system_(other.file_system_),
        fd_(std::exchange(other.fd_, -1)),
        supported_(other.supported_) {}
  Lock& operator=(Lock&& other) noexcept {
    std::swap(file_system_, other.file_system_);
    std::swap(fd_, other.fd_);
    std::swap(supported_, other.supported_);
    return *this;
  }
  ~Lock() {
    if (fd_ >= 0) file_system_->close(fd_);
  }

  // False where the file system has no locks: then nobody is kept out, which the user should hear.
  [[nodiscard]] bool supported() const { return supported_; }

  // Of a file; `path` is for messages.
  [[nodiscard]] Result<std::uint64_t> allocated(const std::string& path) const;  // bytes of disk
  // Bytes of the file; at most `most` from its start.
  [[nodiscard]] Result<std::string> read_start(const std::string& path, std::size_t most) const;

 private:
  struct Target;
  static Result<Lock> take(FileSystem& file_system, const std::string& path, Sharing sharing,
                           const Target& target);
  Lock(FileSystem& file_system, int fd) : file_system_(&file_system), fd_(fd) {}
  FileSystem* file_system_;
  int fd_;
  bool supported_ = true;
};

}  // namespace thaw
