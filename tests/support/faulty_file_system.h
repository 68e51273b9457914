// The real file system, except for the calls that a test makes fail.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "io/file_system.h"

namespace thaw::testing {

enum class Call : std::uint8_t {
  open,
  close,
  fstat,
  map,
  pread,
  pwrite,
  fallocate,
  ftruncate,
  sync_file_range,
  fsync,
  rename,
  exchange,
  mkdir,
  unlink,
  rmdir,
  lock,
  free_space,
  change_mode,
  change_owner,
  any,  // in a fault: of any kind; as an index: how many kinds there are
};
constexpr std::size_t kCalls = static_cast<std::size_t>(Call::any);
constexpr std::array<const char*, kCalls + 1> kCallNames = {
    "open",         "close",     "fstat",           "map",   "pread",      "pwrite",
    "fallocate",    "ftruncate", "sync_file_range", "fsync", "rename",     "exchange",
    "mkdir",        "unlink",    "rmdir",           "lock",  "free_space", "change_mode",
    "change_owner", "any"};

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
  int exchange_error = 0;
  // What fstat and stat_at say of a path is changed by it: other owners, devices, modes.
  std::function<void(const std::string&, struct stat&)> change_stat;
  std::uint64_t free_bytes = ~std::uint64_t{0};  // what free_space says at most
  // Thousands of conversions need not wait for the disk: no sync, no O_DIRECT.
  bool skip_disk = false;

  // The `at`-th call of a kind, counted from 1, fails with `error`; 0: none does.
  struct Fault {
    Call call = Call::any;
    std::uint64_t at = 0;
    int error = EIO;
    bool dies = false;  // and so does every call after it: nothing more reaches the disk
  } fault;

  [[nodiscard]] std::uint64_t count(Call call) {
    const std::lock_guard lock(mutex_);
    return counts_[static_cast<std::size_t>(call)];
  }
  [[nodiscard]] bool faulted() {
    const std::lock_guard lock(mutex_);
    return faulted_;
  }

  int open(const char* path, int flags, mode_t mode) override {
    if (fails(Call::open)) return -1;
    const bool direct = (flags & O_DIRECT) != 0;
    if (direct && skip_disk) return failed(EINVAL);
    if (direct && direct_open_error != 0) return failed(direct_open_error);
    const int fd = real_.open(path, flags, mode);
    const std::lock_guard lock(mutex_);
    if (direct && fd >= 0) direct_fds_.insert(fd);
    return fd;
  }
  int close(int fd) override {
    // The descriptor is gone all the same, and with it a lock.
    const bool fault_here = fails(Call::close);
    const int error = errno;
    {
      const std::lock_guard lock(mutex_);
      direct_fds_.erase(fd);
    }
    const int result = real_.close(fd);
    return fault_here ? failed(error) : result;
  }
  int fstat(int fd, struct stat* out) override {
    if (fails(Call::fstat)) return -1;
    const int result = real_.fstat(fd, out);
    if (result == 0 && change_stat) change_stat(path_of(fd), *out);
    return result;
  }
  std::unique_ptr<Mapping> map(const std::string& path, std::uint64_t size) override {
    return fails(Call::map) ? nullptr : real_.map(path, size);
  }
  ssize_t pread(int fd, void* to, std::size_t size, off_t offset) override {
    return fails(Call::pread) ? -1 : real_.pread(fd, to, size, offset);
  }
  ssize_t pwrite(int fd, const void* from, std::size_t size, off_t offset) override {
    if (fails(Call::pwrite)) return -1;
    if (direct_write_error != 0 && is_direct(fd)) return failed(direct_write_error);
    if (const int error = before_write(); error != 0) return failed(error);
    if (most_write != 0 && size > most_write) size = most_write;
    return real_.pwrite(fd, from, size, offset);
  }
  int fallocate(int fd, off_t size) override {
    if (fails(Call::fallocate)) return -1;
    return fallocate_error != 0 ? failed(fallocate_error) : real_.fallocate(fd, size);
  }
  int ftruncate(int fd, off_t size) override {
    return fails(Call::ftruncate) ? -1 : real_.ftruncate(fd, size);
  }
  int sync_file_range(int fd, off_t offset, off_t size, unsigned flags) override {
    if (fails(Call::sync_file_range)) return -1;
    return skip_disk ? 0 : real_.sync_file_range(fd, offset, size, flags);
  }
  int fsync(int fd) override {
    if (fails(Call::fsync)) return -1;
    if (fsync_error != 0) return failed(fsync_error);
    return skip_disk ? 0 : real_.fsync(fd);
  }
  int rename(const char* from, const char* to) override {
    if (fails(Call::rename)) return -1;
    return rename_error != 0 ? failed(rename_error) : real_.rename(from, to);
  }
  int exchange(const char* a, const char* b) override {
    if (fails(Call::exchange)) return -1;
    return exchange_error != 0 ? failed(exchange_error) : real_.exchange(a, b);
  }
  int mkdir(const char* path, mode_t mode) override {
    return fails(Call::mkdir) ? -1 : real_.mkdir(path, mode);
  }
  int unlink(const char* path) override { return fails(Call::unlink) ? -1 : real_.unlink(path); }
  int rmdir(const char* path) override { return fails(Call::rmdir) ? -1 : real_.rmdir(path); }
  int lock(int fd) override { return fails(Call::lock) ? -1 : real_.lock(fd); }
  int lock_shared(int fd) override { return fails(Call::lock) ? -1 : real_.lock_shared(fd); }
  int free_space(const char* path, FreeSpace* out) override {
    if (fails(Call::free_space)) return -1;
    const int result = real_.free_space(path, out);
    if (out->available > free_bytes) out->available = free_bytes;
    return result;
  }
  int change_mode(int fd, mode_t mode) override {
    return fails(Call::change_mode) ? -1 : real_.change_mode(fd, mode);
  }
  int change_owner(int fd, uid_t owner, gid_t group) override {
    return fails(Call::change_owner) ? -1 : real_.change_owner(fd, owner, group);
  }

  // Below a directory: the calls above, by the path that the directory has now, so that a test
  // overrides one of each kind.
  int open_at(int directory, const char* name, int flags, mode_t mode) override {
    return open(path_of(directory, name).c_str(), flags | O_NOFOLLOW, mode);
  }
  int stat_at(int directory, const char* name, struct stat* out) override {
    if (fails(Call::fstat)) return -1;
    const int result = real_.stat_at(directory, name, out);
    if (result == 0 && change_stat) change_stat(path_of(directory, name), *out);
    return result;
  }
  int mkdir_at(int directory, const char* name, mode_t mode) override {
    return mkdir(path_of(directory, name).c_str(), mode);
  }
  int unlink_at(int directory, const char* name) override {
    return unlink(path_of(directory, name).c_str());
  }
  int rmdir_at(int directory, const char* name) override {
    return rmdir(path_of(directory, name).c_str());
  }
  int rename_at(int from, const char* name, int to, const char* new_name) override {
    return rename(path_of(from, name).c_str(), path_of(to, new_name).c_str());
  }
  int rename_new_at(int directory, const char* name, const char* new_name) override {
    return rename_new(path_of(directory, name).c_str(), path_of(directory, new_name).c_str());
  }
  int exchange_at(int directory, const char* a, const char* b) override {
    return exchange(path_of(directory, a).c_str(), path_of(directory, b).c_str());
  }

 protected:
  static std::string path_of(int fd) {
    std::array<char, 4096> path{};
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
    return size < 0 ? std::string() : std::string(path.data(), static_cast<std::size_t>(size));
  }
  static std::string path_of(int directory, const std::string& name) {
    if (directory == AT_FDCWD) return name;
    std::string path = path_of(directory);
    if (name == ".") return path;
    if (path != "/") path += '/';
    return path + name;
  }

 private:
  static int failed(int error) {
    errno = error;
    return -1;
  }
  // Counts a call, and sets errno when it is to fail.
  bool fails(Call call) {
    const std::lock_guard lock(mutex_);
    const std::uint64_t of_kind = ++counts_[static_cast<std::size_t>(call)];
    const std::uint64_t of_all = ++counts_[kCalls];
    const std::uint64_t number = fault.call == Call::any ? of_all : of_kind;
    const bool meant = fault.call == Call::any || fault.call == call;
    if (fault.at != 0 && meant && number == fault.at) {
      faulted_ = true;
    } else if (!(faulted_ && fault.dies)) {
      return false;
    }
    errno = fault.error;
    return true;
  }
  bool is_direct(int fd) {
    const std::lock_guard lock(mutex_);
    return direct_fds_.count(fd) != 0;
  }
  FileSystem& real_ = real_file_system();
  std::mutex mutex_;
  std::set<int> direct_fds_;
  std::array<std::uint64_t, kCalls + 1> counts_{};
  bool faulted_ = false;
};

}  // namespace thaw::testing
