// The real file system, except for the calls that a test makes fail.
#pragma once

#include <fcntl.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "io/file_system.h"

namespace thaw::testing {

// Passes every call on. Tests override or set what they need.
class FaultyFileSystem : public FileSystem {
 public:
  // errno for an open with O_DIRECT; 0: as the system does.
  int direct_open_error = 0;
  // errno for a write through a descriptor that was opened with O_DIRECT.
  int direct_write_error = 0;
  // Called before every pwrite: errno to fail with, or 0.
  std::function<int()> before_write = [] { return 0; };
  // At most so many bytes of a pwrite are done; 0: all.
  std::size_t most_write = 0;
  int fallocate_error = 0;
  int fsync_error = 0;
  int rename_error = 0;
  std::uint64_t free_bytes = ~std::uint64_t{0};  // what free_space says at most

  int open(const char* path, int flags, mode_t mode) override {
    const bool direct = (flags & O_DIRECT) != 0;
    if (direct && direct_open_error != 0) return failed(direct_open_error);
    const int fd = real_.open(path, flags, mode);
    const std::lock_guard lock(mutex_);
    if (direct && fd >= 0) direct_fds_.insert(fd);
    return fd;
  }
  int close(int fd) override {
    {
      const std::lock_guard lock(mutex_);
      direct_fds_.erase(fd);
    }
    return real_.close(fd);
  }
  int fstat(int fd, struct stat* out) override { return real_.fstat(fd, out); }
  std::unique_ptr<Mapping> map(const std::string& path, std::uint64_t size) override {
    return real_.map(path, size);
  }
  ssize_t pread(int fd, void* to, std::size_t size, off_t offset) override {
    return real_.pread(fd, to, size, offset);
  }
  ssize_t pwrite(int fd, const void* from, std::size_t size, off_t offset) override {
    if (direct_write_error != 0 && is_direct(fd)) return failed(direct_write_error);
    if (const int error = before_write(); error != 0) return failed(error);
    if (most_write != 0 && size > most_write) size = most_write;
    return real_.pwrite(fd, from, size, offset);
  }
  int fallocate(int fd, off_t size) override {
    return fallocate_error != 0 ? failed(fallocate_error) : real_.fallocate(fd, size);
  }
  int ftruncate(int fd, off_t size) override { return real_.ftruncate(fd, size); }
  int sync_file_range(int fd, off_t offset, off_t size, unsigned flags) override {
    return real_.sync_file_range(fd, offset, size, flags);
  }
  int fsync(int fd) override { return fsync_error != 0 ? failed(fsync_error) : real_.fsync(fd); }
  int rename(const char* from, const char* to) override {
    return rename_error != 0 ? failed(rename_error) : real_.rename(from, to);
  }
  int exchange(const char* a, const char* b) override { return real_.exchange(a, b); }
  int mkdir(const char* path, mode_t mode) override { return real_.mkdir(path, mode); }
  int unlink(const char* path) override { return real_.unlink(path); }
  int rmdir(const char* path) override { return real_.rmdir(path); }
  int lock(int fd) override { return real_.lock(fd); }
  int free_space(const char* path, FreeSpace* out) override {
    const int result = real_.free_space(path, out);
    if (out->available > free_bytes) out->available = free_bytes;
    return result;
  }

 private:
  static int failed(int error) {
    errno = error;
    return -1;
  }
  bool is_direct(int fd) {
    const std::lock_guard lock(mutex_);
    return direct_fds_.count(fd) != 0;
  }
  FileSystem& real_ = real_file_system();
  std::mutex mutex_;
  std::set<int> direct_fds_;
};

}  // namespace thaw::testing
