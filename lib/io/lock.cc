#include "io/lock.h"

#include <fcntl.h>

#include <cerrno>

#include "io/system_error.h"

namespace thaw {

// What is opened to lock it.
struct Lock::Target {
  int flags = 0;  // of open(); those that make the file besides
  int create = 0;
  const char* action = "";  // for messages
};

namespace {

// As often as the path becomes something else between its opening and its locking: the run that
// ended there has renamed or removed it.
constexpr int kTries = 10;

Status not_regular(const std::string& path) {
  return fail(ErrorCode::usage, {.file = path, .tensor = {}}, "exists and is no regular file",
              "Move it away, or choose another OUT.");
}

// Network and FUSE file systems, and sandboxes, say in several ways that they have no locks.
bool no_locks_here(int number) {
  return number == ENOLCK || number == EOPNOTSUPP || number == ENOSYS || number == EINVAL;
}

// Whether the path still leads to what was locked. If not, the lock is on somebody's finished
// output, and the name is free or another's.
Result<bool> still_named(FileSystem& file_system, const struct stat& held, const std::string& path,
                         int flags) {
  const int again = file_system.open(path.c_str(), flags, 0);
  if (again < 0) {
    const bool other = errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EISDIR;
    if (!other) return system_error(path, "open", errno);
    return false;
  }
  struct stat named {};
  const int number = file_system.fstat(again, &named) == 0 ? 0 : errno;
  file_system.close(again);
  if (number != 0) return system_error(path, "examine", number);
  return held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

}  // namespace

Result<Lock> Lock::take(FileSystem& file_system, const std::string& path, Sharing sharing,
                        const Target& target) {
  const bool file = target.create != 0;
  for (int i = 0; i < kTries; ++i) {
    const int fd = file_system.open(path.c_str(), target.flags | target.create, 0666);
    if (fd < 0 && file && (errno == ELOOP || errno == EISDIR)) return not_regular(path);
    if (fd < 0) return system_error(path, target.action, errno);
    Lock lock(file_system, fd);
    struct stat info {};
    if (file_system.fstat(fd, &info) != 0) return system_error(path, "examine", errno);
    if (file && !S_ISREG(info.st_mode)) return not_regular(path);
    const bool shared = sharing == Sharing::shared;
    if ((shared ? file_system.lock_shared(fd) : file_system.lock(fd)) != 0) {
      if (errno == EWOULDBLOCK) {
        return fail(ErrorCode::locked, {.file = path, .tensor = {}}, "another run is writing here",
                    "Wait for it to end, or choose another OUT.");
      }
      if (!no_locks_here(errno)) return system_error(path, "lock", errno);
      lock.supported_ = false;
      return lock;
    }
    THAW_ASSIGN_OR_RETURN(const bool same, still_named(file_system, info, path, target.flags));
    if (same) return lock;
  }
  return fail(ErrorCode::locked, {.file = path, .tensor = {}}, "other runs come and go here",
              "Wait for them to end, or choose another OUT.");
}

Result<Lock> Lock::take_directory(FileSystem& file_system, const std::string& path,
                                  Sharing sharing) {
  return take(file_system, path, sharing,
              {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW, .create = 0, .action = "open"});
}

Result<Lock> Lock::take_file(FileSystem& file_system, const std::string& path, Sharing sharing) {
  return take(file_system, path, sharing,
              {.flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK, .create = O_CREAT, .action = "create"});
}

Result<std::uint64_t> Lock::allocated(const std::string& path) const {
  constexpr std::uint64_t kUnit = 512;  // of st_blocks
  struct stat info {};
  if (file_system_->fstat(fd_, &info) != 0) return system_error(path, "look at", errno);
  return static_cast<std::uint64_t>(info.st_blocks) * kUnit;
}

Result<std::string> Lock::read_start(const std::string& path, std::size_t most) const {
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
