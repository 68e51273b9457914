// The operating system behind FileSystem.

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/iostreams/device/mapped_file.hpp>
#include <cerrno>
#include <exception>
#include <new>

#include "io/file_system.h"

namespace thaw {

namespace {

class BoostMapping final : public Mapping {
 public:
  BoostMapping(const boost::iostreams::mapped_file_params& parameters, bool shared)
      : file_(parameters), shared_(shared) {}
  [[nodiscard]] const std::byte* data() const override {
    return reinterpret_cast<const std::byte*>(file_.const_data());
  }
  [[nodiscard]] bool shared() const override { return shared_; }

 private:
  boost::iostreams::mapped_file file_;
  bool shared_;
};

class RealFileSystem : public FileSystem {
 public:
  int open(const char* path, int flags, mode_t mode) override {
    return ::open(path, flags | O_CLOEXEC, mode);
  }
  int close(int fd) override { return ::close(fd); }
  int fstat(int fd, struct stat* out) override { return ::fstat(fd, out); }
  std::unique_ptr<Mapping> map(const std::string& path, std::uint64_t size) override {
    // Shared where that works: only then large pages go whole when they are dropped. FUSE with
    // direct_io, 9p and others have private mappings of files only. Nobody writes to either.
    for (const bool shared : {true, false}) {
      boost::iostreams::mapped_file_params parameters(path);
      parameters.flags =
          shared ? boost::iostreams::mapped_file::readonly : boost::iostreams::mapped_file::priv;
      parameters.length = static_cast<std::size_t>(size);
      errno = 0;
      try {
        return std::make_unique<BoostMapping>(parameters, shared);
      } catch (const std::bad_alloc&) {
        errno = ENOMEM;
      } catch (const std::exception&) {
        if (errno == 0) errno = EIO;
      }
      if (errno != ENODEV && errno != EINVAL && errno != EOPNOTSUPP) break;
    }
    return nullptr;
  }
  ssize_t pread(int fd, void* to, std::size_t size, off_t offset) override {
    return ::pread(fd, to, size, offset);
  }
  ssize_t pwrite(int fd, const void* from, std::size_t size, off_t offset) override {
    return ::pwrite(fd, from, size, offset);
  }
  int fallocate(int fd, off_t size) override { return ::fallocate(fd, 0, 0, size); }
  int ftruncate(int fd, off_t size) override { return ::ftruncate(fd, size); }
  int sync_file_range(int fd, off_t offset, off_t size, unsigned flags) override {
    return ::sync_file_range(fd, offset, size, flags);
  }
  int fsync(int fd) override { return ::fsync(fd); }
  int rename(const char* from, const char* to) override { return ::rename(from, to); }
  int exchange(const char* a, const char* b) override {
    // glibc has renameat2, musl has not: the system call is the same everywhere.
    return static_cast<int>(
        ::syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, static_cast<unsigned>(RENAME_EXCHANGE)));
  }
  int mkdir(const char* path, mode_t mode) override { return ::mkdir(path, mode); }
  int unlink(const char* path) override { return ::unlink(path); }
  int rmdir(const char* path) override { return ::rmdir(path); }
  int lock(int fd) override { return ::flock(fd, LOCK_EX | LOCK_NB); }
  int free_space(const char* path, FreeSpace* out) override {
    struct statvfs info {};
    if (::statvfs(path, &info) != 0) return -1;
    // No blocks in all, used ones included: a file system that does not count.
    out->known = info.f_blocks != 0;
    out->available = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
    if (info.f_frsize != 0) out->block = info.f_frsize;
    return 0;
  }
};

class GuestFileSystem final : public RealFileSystem {
 public:
  [[nodiscard]] bool may_catch_signals() const override { return false; }
};

}  // namespace

ssize_t FileSystem::write(int fd, const void* from, std::size_t size) {
  return ::write(fd, from, size);
}

int FileSystem::wait_writable(int fd, int milliseconds) {
  pollfd one{.fd = fd, .events = POLLOUT, .revents = 0};
  return ::poll(&one, 1, milliseconds);
}

int FileSystem::rename_new(const char* from, const char* to) {
  return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to,
                                    static_cast<unsigned>(RENAME_NOREPLACE)));
}

int FileSystem::lock_shared(int fd) { return ::flock(fd, LOCK_SH | LOCK_NB); }

int FileSystem::open_at(int directory, const char* name, int flags, mode_t mode) {
  return ::openat(directory, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);
}

int FileSystem::stat_at(int directory, const char* name, struct stat* out) {
  return ::fstatat(directory, name, out, AT_SYMLINK_NOFOLLOW);
}

int FileSystem::mkdir_at(int directory, const char* name, mode_t mode) {
  return ::mkdirat(directory, name, mode);
}

int FileSystem::unlink_at(int directory, const char* name) {
  return ::unlinkat(directory, name, 0);
}

int FileSystem::rmdir_at(int directory, const char* name) {
  return ::unlinkat(directory, name, AT_REMOVEDIR);
}

int FileSystem::rename_at(int from, const char* name, int to, const char* new_name) {
  return ::renameat(from, name, to, new_name);
}

int FileSystem::rename_new_at(int directory, const char* name, const char* new_name) {
  return static_cast<int>(::syscall(SYS_renameat2, directory, name, directory, new_name,
                                    static_cast<unsigned>(RENAME_NOREPLACE)));
}

int FileSystem::exchange_at(int directory, const char* a, const char* b) {
  return static_cast<int>(
      ::syscall(SYS_renameat2, directory, a, directory, b, static_cast<unsigned>(RENAME_EXCHANGE)));
}

int FileSystem::change_mode(int fd, mode_t mode) { return ::fchmod(fd, mode); }

int FileSystem::change_owner(int fd, uid_t owner, gid_t group) {
  return ::fchown(fd, owner, group);
}

FileSystem& real_file_system() {
  static RealFileSystem real;
  return real;
}

FileSystem& guest_file_system() {
  static GuestFileSystem file_system;
  return file_system;
}

}  // namespace thaw
