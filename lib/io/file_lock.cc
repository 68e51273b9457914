#include "io/file_lock.h"

#include <fcntl.h>

#include <cerrno>

#include "io/system_error.h"

namespace thaw {

namespace {

constexpr int kTries = 10;

// The file may have been renamed or removed between the opening and the lock: then the lock is on
// somebody's finished output, and the name is free or another's.
bool still_named(FileSystem& file_system, int fd, const std::string& path) {
  struct stat held {};
  struct stat named {};
  if (file_system.fstat(fd, &held) != 0) return false;
  const int again = file_system.open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  if (again < 0) return false;
  const bool same = file_system.fstat(again, &named) == 0 && held.st_dev == named.st_dev &&
                    held.st_ino == named.st_ino;
  file_system.close(again);
  return same;
}

}  // namespace

Result<FileLock> FileLock::take(FileSystem& file_system, const std::string& path, Sharing sharing) {
  for (int i = 0; i < kTries; ++i) {
    const int fd = file_system.open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (fd < 0 && (errno == ELOOP || errno == EISDIR)) {
      return fail(ErrorCode::usage, {.file = path, .tensor = {}}, "exists and is no regular file",
                  "Move it away, or choose another OUT.");
    }
    if (fd < 0) return system_error(path, "create", errno);
    FileLock lock(file_system, fd);
    struct stat info {};
    if (file_system.fstat(fd, &info) != 0) return system_error(path, "look at", errno);
    if (!S_ISREG(info.st_mode)) {
      return fail(ErrorCode::usage, {.file = path, .tensor = {}}, "exists and is no regular file",
                  "Move it away, or choose another OUT.");
    }
    const bool shared = sharing == Sharing::shared;
    if ((shared ? file_system.lock_shared(fd) : file_system.lock(fd)) != 0) {
      if (errno == EWOULDBLOCK) {
        return fail(ErrorCode::locked, {.file = path, .tensor = {}}, "another run is writing here",
                    "Wait for it to end, or choose another OUT.");
      }
      // Some network file systems have no locks: going on without one is what remains.
      if (errno == ENOLCK || errno == EOPNOTSUPP || errno == EINVAL) return lock;
      return system_error(path, "lock", errno);
    }
    if (still_named(file_system, fd, path)) return lock;
  }
  return fail(ErrorCode::locked, {.file = path, .tensor = {}}, "other runs come and go here",
              "Wait for them to end, or choose another OUT.");
}

Result<std::uint64_t> FileLock::allocated(const std::string& path) const {
  constexpr std::uint64_t kUnit = 512;  // of st_blocks
  struct stat info {};
  if (file_system_->fstat(fd_, &info) != 0) return system_error(path, "look at", errno);
  return static_cast<std::uint64_t>(info.st_blocks) * kUnit;
}

Result<std::string> FileLock::read_start(const std::string& path, std::size_t most) const {
  std::string text(most, '\0');
  std::size_t have = 0;
  while (have < most) {
    const ssize_t count =
        file_system_->pread(fd_, text.data() + have, most - have, static_cast<off_t>(have));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(path, "read", errno);
    if (count == 0) break;
    have += static_cast<std::size_t>(count);
  }
  text.resize(have);
  return text;
}

}  // namespace thaw
