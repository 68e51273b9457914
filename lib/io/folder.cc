#include "io/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "io/system_error.h"

namespace thaw {

namespace {

constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
constexpr mode_t kPermissions = 07777;

Entry entry_from(const struct stat& info, std::string name) {
  Entry entry;
  entry.name = std::move(name);
  if (S_ISREG(info.st_mode)) entry.kind = FileKind::regular;
  if (S_ISDIR(info.st_mode)) entry.kind = FileKind::directory;
  entry.size = static_cast<std::uint64_t>(info.st_size);
  entry.modified_ns = std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  entry.device = info.st_dev;
  entry.inode = info.st_ino;
  entry.links = info.st_nlink;
  entry.mode = info.st_mode & kPermissions;
  entry.owner = info.st_uid;
  entry.group = info.st_gid;
  return entry;
}

// The root of a mount, of another or of the same file system. Where the kernel does not say
// (before 5.8), another device does.
bool is_mounted_on(const Entry& below, const Entry& above, int fd) {
  struct statx info {};
  if (::statx(fd, "", AT_EMPTY_PATH, 0, &info) == 0 &&
      (info.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0) {
    return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  }
  return below.device != above.device;
}

}  // namespace

uid_t this_user() { return ::geteuid(); }

std::string owner_text(uid_t owner) {
  std::array<char, 4096> buffer{};
  struct passwd entry {};
  struct passwd* found = nullptr;
  const std::string number = std::to_string(owner);
  if (::getpwuid_r(owner, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return "user " + number;
  }
  return "user " + std::string(found->pw_name) + " (" + number + ")";
}

Result<Entry> entry_of(FileSystem& file_system, int fd, const std::string& path) {
  struct stat info {};
  if (file_system.fstat(fd, &info) != 0) return system_error(path, "examine", errno);
  return entry_from(info, {});
}

std::string Folder::path_of(std::string_view name) const {
  std::string path = path_;
  if (!path.ends_with('/')) path += '/';
  return path.append(name);
}

Status Folder::error(std::string_view name, std::string_view action, int number) const {
  const std::string path = name.empty() ? path_ : path_of(name);
  return system_error(path, action, number);
}

Result<Folder> Folder::open(FileSystem& file_system, const std::string& path) {
  const bool absolute = path.starts_with('/');
  int at = file_system.open(absolute ? "/" : ".", O_PATH | O_DIRECTORY, 0);
  for (std::size_t from = 0; at >= 0 && from < path.size();) {
    const std::size_t end = std::min(path.find('/', from), path.size());
    const std::string name = path.substr(from, end - from);
    from = end + 1;
    if (name.empty()) continue;
    const int next = file_system.open_at(at, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
    const int number = errno;
    file_system.close(at);
    at = next;
    errno = number;
  }
  if (at < 0) return system_error(path, "open", errno);
  const int fd = file_system.open_at(at, ".", kDirectory, 0);
  const int number = errno;
  file_system.close(at);
  if (fd < 0) return system_error(path, "open", number);
  return Folder(file_system, fd, path);
}

Result<Entry> Folder::self() const { return entry_of(*file_system_, fd_, path_); }

Result<std::optional<Entry>> Folder::look(const std::string& name) const {
  struct stat info {};
  if (file_system_->stat_at(fd_, name.c_str(), &info) == 0) {
    return std::optional(entry_from(info, name));
  }
  if (errno == ENOENT || errno == ENOTDIR) return std::optional<Entry>();
  return error(name, "examine", errno);
}

Result<std::vector<Entry>> Folder::list() const {
  // A descriptor of its own: the position in a directory belongs to what was opened.
  const int fd = ::openat(fd_, ".", kDirectory | O_CLOEXEC);
  if (fd < 0) return error({}, "list", errno);
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(fd), ::closedir);
  if (directory == nullptr) {
    const int number = errno;
    ::close(fd);
    return error({}, "list", number);
  }
  std::vector<Entry> entries;
  for (;;) {
    errno = 0;
    const struct dirent* const next = ::readdir(directory.get());
    if (next == nullptr) break;
    const std::string name = next->d_name;
    if (name == "." || name == "..") continue;
    THAW_ASSIGN_OR_RETURN(std::optional<Entry> entry, look(name));
    if (entry) entries.push_back(std::move(*entry));
  }
  if (errno != 0) return error({}, "list", errno);
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

Result<Folder> Folder::enter(const std::string& name) const {
  const int fd = file_system_->open_at(fd_, name.c_str(), kDirectory, 0);
  if (fd < 0) return error(name, "open", errno);
  return Folder(*file_system_, fd, path_of(name));
}

Result<Folder> Folder::make(const std::string& name, mode_t mode) const {
  if (file_system_->mkdir_at(fd_, name.c_str(), mode) != 0 && errno != EEXIST) {
    return error(name, "create the directory", errno);
  }
  return enter(name);
}

Result<Folder> Folder::make_way_to(std::string& name) const {
  const std::size_t slash = name.find('/');
  if (slash == std::string::npos) {
    const int fd = file_system_->open_at(fd_, ".", kDirectory, 0);
    if (fd < 0) return error({}, "open", errno);
    return Folder(*file_system_, fd, path_);
  }
  THAW_ASSIGN_OR_RETURN(const Folder below, make(name.substr(0, slash)));
  name.erase(0, slash + 1);
  return below.make_way_to(name);
}

Result<Folder> Folder::way_to(std::string& name) const {
  const std::size_t slash = name.find('/');
  const int fd = file_system_->open_at(
      fd_, slash == std::string::npos ? "." : name.substr(0, slash).c_str(), kDirectory, 0);
  if (fd < 0) return error(name, "open", errno);
  if (slash == std::string::npos) return Folder(*file_system_, fd, path_);
  const Folder below(*file_system_, fd, path_of(name.substr(0, slash)));
  name.erase(0, slash + 1);
  return below.way_to(name);
}

Result<std::string> Folder::read(const std::string& name, std::uint64_t most) const {
  const std::string path = path_of(name);
  const int fd = file_system_->open_at(fd_, name.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
  if (fd < 0 && errno == ELOOP) {
    return fail(ErrorCode::input, {.file = path, .tensor = {}}, "is a symbolic link");
  }
  if (fd < 0) {
    const int number = errno;
    return system_error(path, "open", number, number == ENOENT ? ErrorCode::input : ErrorCode::io);
  }
  Result<std::string> text = read_open_file(*file_system_, fd, path, most);
  file_system_->close(fd);
  return text;
}

Status Folder::rename(const std::string& name, const std::string& new_name) const {
  if (file_system_->rename_at(fd_, name.c_str(), fd_, new_name.c_str()) == 0) return {};
  return error(new_name, "rename to this name", errno);
}

Status Folder::rename_to_new(const std::string& name, const std::string& new_name) const {
  if (file_system_->rename_new_at(fd_, name.c_str(), new_name.c_str()) == 0) return {};
  const int number = errno;
  // Unknown to the file system, or the kernel.
  const bool unknown = number == EINVAL || number == ENOSYS || number == EOPNOTSUPP;
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> there, look(new_name));
  if (number == EEXIST || (unknown && there)) {
    return fail(ErrorCode::usage, {.file = path_of(new_name), .tensor = {}}, "exists already",
                "Choose another OUT, or replace it with --force.");
  }
  if (unknown) return rename(name, new_name);
  return error(new_name, "rename to this name", number);
}

Status Folder::move(const std::string& name, const Folder& to, const std::string& new_name) const {
  if (file_system_->rename_at(fd_, name.c_str(), to.fd_, new_name.c_str()) == 0) return {};
  return to.error(new_name, "rename to this name", errno);
}

Result<bool> Folder::can_move(const std::string& name, const Folder& to,
                              const std::string& full) const {
  if (file_system_->rename_at(fd_, name.c_str(), to.fd_, full.c_str()) == 0) {
    return fail(ErrorCode::bug, {.file = path_of(name), .tensor = {}}, "was moved by a probe");
  }
  // EACCES: another folder needs more rights than another name.
  constexpr std::array<int, 7> kNoObstacle = {ENOTEMPTY, EEXIST, EACCES,    ENOENT,
                                              EINVAL,    ENOSYS, EOPNOTSUPP};
  if (std::find(kNoObstacle.begin(), kNoObstacle.end(), errno) != kNoObstacle.end()) return true;
  if (errno == EXDEV) return false;
  return error(name, "rename", errno);
}

Result<bool> Folder::exchange(const std::string& a, const std::string& b) const {
  if (file_system_->exchange_at(fd_, a.c_str(), b.c_str()) == 0) return true;
  if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) return false;
  return error(b, "exchange", errno);
}

Status Folder::remove(const std::string& name) const {
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> entry, look(name));
  if (!entry) return {};
  if (entry->kind != FileKind::directory) {
    if (file_system_->unlink_at(fd_, name.c_str()) == 0 || errno == ENOENT) return {};
    return error(name, "remove", errno);
  }
  {
    THAW_ASSIGN_OR_RETURN(const Folder below, enter(name));
    THAW_ASSIGN_OR_RETURN(const Entry here, self());
    if (is_mounted_on(*entry, here, below.descriptor())) {
      return fail(ErrorCode::io, {.file = path_of(name), .tensor = {}},
                  "is a mount point, and what is mounted there is not removed");
    }
    THAW_ASSIGN_OR_RETURN(const std::vector<Entry> entries, below.list());
    for (const Entry& one : entries) THAW_RETURN_IF_ERROR(below.remove(one.name));
  }
  return remove_empty(name);
}

Status Folder::remove_empty(const std::string& name) const {
  if (file_system_->rmdir_at(fd_, name.c_str()) == 0 || errno == ENOENT) return {};
  return error(name, "remove", errno);
}

Status Folder::set_access(const std::string& name, Access access) const {
  const int fd = file_system_->open_at(fd_, name.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
  if (fd < 0) return error(name, "open", errno);
  Status status = thaw::set_access(*file_system_, fd, path_of(name), access);
  file_system_->close(fd);
  return status;
}

Status set_access(FileSystem& file_system, int fd, const std::string& path, Access access) {
  THAW_ASSIGN_OR_RETURN(const Entry now, entry_of(file_system, fd, path));
  constexpr uid_t kSameOwner = static_cast<uid_t>(-1);
  bool changed = false;
  if (now.owner != access.owner || now.group != access.group) {
    changed = file_system.change_owner(fd, access.owner, access.group) == 0;
    if (!changed && now.group != access.group) {
      changed = file_system.change_owner(fd, kSameOwner, access.group) == 0;
      if (!changed) access.mode &= ~mode_t{0070} | (access.mode & 0007) << 3;
    }
  }
  if (now.mode != access.mode || changed) {
    if (file_system.change_mode(fd, access.mode) == 0) {
      changed = true;
    } else if (errno != EPERM && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) {
      return system_error(path, "set the mode", errno);
    }
  }
  if (changed && file_system.fsync(fd) != 0 && errno != EINVAL && errno != ENOSYS) {
    return system_error(path, "sync", errno);
  }
  return {};
}

Status Folder::sync() const {
  // Some network file systems cannot sync a directory and say so; there is nothing to lose there.
  if (file_system_->fsync(fd_) == 0 || errno == EINVAL || errno == ENOSYS) return {};
  return error({}, "sync the directory", errno);
}

}  // namespace thaw
