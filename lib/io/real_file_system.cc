// The operating system behind FileSystem.

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "io/file_system.h"

namespace thaw {

namespace {

class RealMapping final : public Mapping {
 public:
  RealMapping(void* begin, std::size_t size, bool shared)
      : begin_(begin), size_(size), shared_(shared) {}
  ~RealMapping() override { ::munmap(begin_, size_); }
  RealMapping(const RealMapping&) = delete;
  RealMapping& operator=(const RealMapping&) = delete;
  [[nodiscard]] const std::byte* data() const override {
    return static_cast<const std::byte*>(begin_);
  }
  [[nodiscard]] bool shared() const override { return shared_; }

 private:
  void* begin_;
  std::size_t size_;
  bool shared_;
};

// Shared where that works: only then large pages go whole when they are dropped. FUSE with
// direct_io, 9p and others have private mappings of files only. Nobody writes to either.
std::unique_ptr<Mapping> map_descriptor(int fd, std::size_t size) {
  for (const bool shared : {true, false}) {
    void* const begin = ::mmap(nullptr, size, PROT_READ, shared ? MAP_SHARED : MAP_PRIVATE, fd, 0);
    if (begin != MAP_FAILED) return std::make_unique<RealMapping>(begin, size, shared);
    if (errno != ENODEV && errno != EINVAL && errno != EOPNOTSUPP) break;
  }
  return nullptr;
}

class RealFileSystem final : public FileSystem {
 public:
  int open(const char* path, int flags, mode_t mode) override {
    return ::open(path, flags | O_CLOEXEC, mode);
  }
  int close(int fd) override { return ::close(fd); }
  int fstat(int fd, struct stat* out) override { return ::fstat(fd, out); }
  std::unique_ptr<Mapping> map(const std::string& path, std::uint64_t size) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return nullptr;
    std::unique_ptr<Mapping> mapping = map_descriptor(fd, static_cast<std::size_t>(size));
    const int number = errno;
    ::close(fd);
    errno = number;
    return mapping;
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

FileSystem& real_file_system() {
  static RealFileSystem real;
  return real;
}

}  // namespace thaw
