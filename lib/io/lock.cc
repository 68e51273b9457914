#include "io/lock.h"

#include <fcntl.h>

#include <cerrno>

#include "io/system_error.h"

namespace thaw {

Result<PathLock> PathLock::take(FileSystem& file_system, const std::string& directory) {
  const int fd = file_system.open(directory.c_str(), O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0) return system_error(directory, "open", errno);
  PathLock lock(file_system, fd);
  if (file_system.lock(fd) == 0) return lock;
  if (errno == EWOULDBLOCK) {
    return fail(ErrorCode::locked, {.file = directory, .tensor = {}}, "another run is writing here",
                "Wait for it to end, or choose another OUT.");
  }
  // Some network file systems have no locks: going on without one is what remains.
  if (errno == ENOLCK || errno == EOPNOTSUPP || errno == EINVAL) return lock;
  return system_error(directory, "lock", errno);
}

}  // namespace thaw
