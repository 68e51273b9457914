// A file system that remembers what a power loss may undo: names that no fsync of their directory
// has made durable, and content that no fsync of its file has. Strict: nothing else makes them so.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/faulty_file_system.h"

namespace thaw::testing {

class PowerLossFileSystem final : public FaultyFileSystem {
 public:
  // `stash` is a directory of the same file system, outside of what is tested.
  explicit PowerLossFileSystem(std::string stash) : stash_(std::move(stash)) { skip_disk = true; }

  // What the disk may hold after the loss: content that was not synced is garbage; of names that
  // were not synced, the changes are undone where `lose_names`, else they all happened.
  void lose_power(const std::string& below, bool lose_names) {
    namespace fs = std::filesystem;
    const std::lock_guard lock(mutex_);
    for (const auto& entry : fs::recursive_directory_iterator(below)) {
      struct stat info {};
      if (!entry.is_regular_file() || ::stat(entry.path().c_str(), &info) != 0) continue;
      if (dirty_.count(info.st_ino) == 0) continue;
      const std::string garbage(static_cast<std::size_t>(info.st_size) / 2, '\0');
      std::ofstream(entry.path(), std::ios::binary) << garbage;
    }
    if (!lose_names) return;
    for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) change->undo();
  }

  int open(const char* path, int flags, mode_t mode) override {
    const bool made = (flags & O_CREAT) != 0 && ::access(path, F_OK) != 0;
    const int fd = FaultyFileSystem::open(path, flags, mode);
    if (fd < 0) return fd;
    const std::lock_guard lock(mutex_);
    if ((flags & O_TRUNC) != 0) touch(fd);
    if (made) {
      note(path, [name = std::string(path)] { ::unlink(name.c_str()); });
    }
    return fd;
  }
  ssize_t pwrite(int fd, const void* from, std::size_t size, off_t offset) override {
    const ssize_t written = FaultyFileSystem::pwrite(fd, from, size, offset);
    const std::lock_guard lock(mutex_);
    if (written > 0) touch(fd);
    return written;
  }
  int fsync(int fd) override {
    if (FaultyFileSystem::fsync(fd) != 0) return -1;
    const std::lock_guard lock(mutex_);
    struct stat info {};
    if (::fstat(fd, &info) != 0) return 0;
    if (!S_ISDIR(info.st_mode)) {
      dirty_.erase(info.st_ino);
      return 0;
    }
    std::erase_if(changes_, [&](const Change& change) { return change.directory == path_of(fd); });
    return 0;
  }
  int rename(const char* from, const char* to) override {
    const std::string kept = keep(to);
    if (FaultyFileSystem::rename(from, to) != 0) return -1;
    const std::lock_guard lock(mutex_);
    note(to, [kept, a = std::string(from), b = std::string(to)] {
      ::rename(b.c_str(), a.c_str());
      if (!kept.empty()) ::link(kept.c_str(), b.c_str());
    });
    return 0;
  }
  int exchange(const char* a, const char* b) override {
    if (FaultyFileSystem::exchange(a, b) != 0) return -1;
    const std::lock_guard lock(mutex_);
    note(a, [a = std::string(a), b = std::string(b)] {
      real_file_system().exchange(a.c_str(), b.c_str());
    });
    return 0;
  }
  int mkdir(const char* path, mode_t mode) override {
    if (FaultyFileSystem::mkdir(path, mode) != 0) return -1;
    const std::lock_guard lock(mutex_);
    note(path, [name = std::string(path)] {
      std::error_code ignored;
      std::filesystem::remove_all(name, ignored);
    });
    return 0;
  }
  int unlink(const char* path) override {
    const std::string kept = keep(path);
    if (FaultyFileSystem::unlink(path) != 0) return -1;
    const std::lock_guard lock(mutex_);
    note(path, [kept, name = std::string(path)] {
      if (!kept.empty()) ::link(kept.c_str(), name.c_str());
    });
    return 0;
  }
  int rmdir(const char* path) override {
    if (FaultyFileSystem::rmdir(path) != 0) return -1;
    const std::lock_guard lock(mutex_);
    note(path, [name = std::string(path)] { ::mkdir(name.c_str(), 0777); });
    return 0;
  }

 private:
  struct Change {
    std::string directory;
    std::function<void()> undo;
  };
  void touch(int fd) {
    struct stat info {};
    if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) dirty_.insert(info.st_ino);
  }
  void note(const std::string& path, std::function<void()> undo) {
    changes_.push_back({path.substr(0, path.rfind('/')), std::move(undo)});
  }
  // A second name for a file that is about to lose its own; it also keeps the inode from reuse.
  std::string keep(const char* path) {
    const std::lock_guard lock(mutex_);
    const std::string name = stash_ + "/" + std::to_string(++kept_);
    return ::link(path, name.c_str()) == 0 ? name : std::string();
  }

  const std::string stash_;
  std::mutex mutex_;
  std::set<ino_t> dirty_;
  std::vector<Change> changes_;
  int kept_ = 0;
};

}  // namespace thaw::testing
