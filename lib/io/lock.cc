#include "io/lock.h"

#include <fcntl.h>

#include <cerrno>

#include "io/directory.h"
#include "io/system_error.h"

namespace thaw {

Result<PathLock> PathLock::take(FileSystem& file_system, const std::string& directory,
                                Sharing sharing) {
  // As often as the directory becomes another one between its opening and its locking: the run
  // that ended there has renamed or removed it.
  constexpr int kTries = 10;
  for (int i = 0; i < kTries; ++i) {
    const int fd = file_system.open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0) return system_error(directory, "open", errno);
    PathLock lock(file_system, fd);
    const bool shared = sharing == Sharing::shared;
    if ((shared ? file_system.lock_shared(fd) : file_system.lock(fd)) != 0) {
      if (errno == EWOULDBLOCK) break;
      // Some network file systems have no locks: going on without one is what remains.
      if (errno == ENOLCK || errno == EOPNOTSUPP || errno == EINVAL) return lock;
      return system_error(directory, "lock", errno);
    }
    struct stat locked {};
    if (file_system.fstat(fd, &locked) != 0) return system_error(directory, "examine", errno);
    THAW_ASSIGN_OR_RETURN(const DirectoryIdentity now, identify_directory(file_system, directory));
    if (now == DirectoryIdentity{.device = locked.st_dev, .inode = locked.st_ino}) return lock;
  }
  return fail(ErrorCode::locked, {.file = directory, .tensor = {}}, "another run is writing here",
              "Wait for it to end, or choose another OUT.");
}

}  // namespace thaw
