// The calls to the operating system that tests must be able to fail. Everything else in lib/io is
// written on this interface, and lib/io is the only module that knows errno.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace thaw {

// A read-only mapping of a whole file; unmapped by the destructor.
class Mapping {
 public:
  virtual ~Mapping() = default;
  [[nodiscard]] virtual const std::byte* data() const = 0;
  // MAP_SHARED, or MAP_PRIVATE where the file system has no shared mappings.
  [[nodiscard]] virtual bool shared() const { return true; }
};

struct FreeSpace {
  std::uint64_t available = 0;  // bytes that this user may still write
  std::uint64_t block = 4096;   // bytes
  bool known = true;            // false: the file system does not say how much there is
};

// As the system calls of the same names: -1 (or null) and errno on failure. Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual int open(const char* path, int flags, mode_t mode) = 0;
  virtual int close(int fd) = 0;
  virtual int fstat(int fd, struct stat* out) = 0;
  virtual std::unique_ptr<Mapping> map(const std::string& path, std::uint64_t size) = 0;
  virtual ssize_t pread(int fd, void* to, std::size_t size, off_t offset) = 0;
  virtual ssize_t pwrite(int fd, const void* from, std::size_t size, off_t offset) = 0;
  virtual int fallocate(int fd, off_t size) = 0;  // reserves [0, size) and sets the size
  virtual int ftruncate(int fd, off_t size) = 0;
  virtual int sync_file_range(int fd, off_t offset, off_t size, unsigned flags) = 0;
  virtual int fsync(int fd) = 0;
  virtual int rename(const char* from, const char* to) = 0;
  virtual int exchange(const char* a, const char* b) = 0;  // renameat2(RENAME_EXCHANGE)
  virtual int mkdir(const char* path, mode_t mode) = 0;
  virtual int unlink(const char* path) = 0;
  virtual int rmdir(const char* path) = 0;
  virtual int lock(int fd) = 0;  // flock(LOCK_EX | LOCK_NB)
  virtual int free_space(const char* path, FreeSpace* out) = 0;

  // Whether inputs may be guarded by handlers of signals (SIGBUS, SIGSEGV), which a process has one
  // of each: not where the process is somebody else's (specs/view.md clause 2).
  [[nodiscard]] virtual bool may_catch_signals() const { return true; }

  // The calls of streams; where they are not overridden, the system's own.
  virtual ssize_t write(int fd, const void* from, std::size_t size);
  virtual int wait_writable(int fd, int milliseconds);       // poll(POLLOUT)
  virtual int rename_new(const char* from, const char* to);  // renameat2(RENAME_NOREPLACE)
  // Likewise the lock that several may hold at once.
  virtual int lock_shared(int fd);  // flock(LOCK_SH | LOCK_NB)

  // Below an open directory: `name` has no slash, and a link of that name is not followed.
  virtual int open_at(int directory, const char* name, int flags, mode_t mode);
  virtual int stat_at(int directory, const char* name, struct stat* out);
  virtual int mkdir_at(int directory, const char* name, mode_t mode);
  virtual int unlink_at(int directory, const char* name);
  virtual int rmdir_at(int directory, const char* name);
  virtual int rename_at(int from, const char* name, int to, const char* new_name);
  virtual int rename_new_at(int directory, const char* name, const char* new_name);
  virtual int exchange_at(int directory, const char* a, const char* b);
  virtual int change_mode(int fd, mode_t mode);
  virtual int change_owner(int fd, uid_t owner, gid_t group);
};

// The operating system itself.
[[nodiscard]] FileSystem& real_file_system();
// The same for a library in somebody else's process: it catches no signals.
[[nodiscard]] FileSystem& guest_file_system();

}  // namespace thaw
