// A regular file, made if it is not there, that belongs to this process alone, or to those that
// share it, as long as it holds the lock. The lock dies with the process. Unlike that of a
// directory it is seen from every machine of a network file system that has locks.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/status.h"
#include "io/file_system.h"
#include "io/lock.h"

namespace thaw {

class FileLock {
 public:
  // Changes nothing in a file that is there. Errors: ErrorCode::locked when another process holds
  // it, usage when the path is something else than a regular file (links are not followed).
  static Result<FileLock> take(FileSystem& file_system, const std::string& path,
                               Sharing sharing = Sharing::exclusive);
  FileLock(FileLock&& other) noexcept
      : file_system_(other.file_system_), fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(file_system_, other.file_system_);
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileLock() {
    if (fd_ >= 0) file_system_->close(fd_);
  }

  // `path` is for messages.
  [[nodiscard]] Result<std::uint64_t> allocated(const std::string& path) const;  // bytes of disk
  // Bytes of the file; at most `most` from its start.
  [[nodiscard]] Result<std::string> read_start(const std::string& path, std::size_t most) const;

 private:
  FileLock(FileSystem& file_system, int fd) : file_system_(&file_system), fd_(fd) {}
  FileSystem* file_system_;
  int fd_;
};

}  // namespace thaw
