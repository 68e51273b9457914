// A lock on a directory that dies with its process.
#pragma once

#include <string>
#include <utility>

#include "base/status.h"
#include "io/file_system.h"

namespace thaw {

// exclusive: nobody else holds the lock; shared: others may, who share it too.
enum class Sharing : bool { exclusive, shared };

class PathLock {
 public:
  // ErrorCode::locked when another process holds it.
  static Result<PathLock> take(FileSystem& file_system, const std::string& directory,
                               Sharing sharing = Sharing::exclusive);
  PathLock(PathLock&& other) noexcept
      : file_system_(other.file_system_), fd_(std::exchange(other.fd_, -1)) {}
  PathLock& operator=(PathLock&& other) noexcept {
    std::swap(file_system_, other.file_system_);
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~PathLock() {
    if (fd_ >= 0) file_system_->close(fd_);
  }

 private:
  PathLock(FileSystem& file_system, int fd) : file_system_(&file_system), fd_(fd) {}
  FileSystem* file_system_;
  int fd_;
};

}  // namespace thaw
