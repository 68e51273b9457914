#include "io/directory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "io/system_error.h"

namespace thaw {

namespace {

namespace fs = std::filesystem;

FileKind kind_of(const fs::file_status& status) {
  if (fs::is_regular_file(status)) return FileKind::regular;
  if (fs::is_directory(status)) return FileKind::directory;
  return FileKind::other;
}

// Nothing of that kind is there: no fault of the system.
bool is_missing(int number) { return number == ENOENT || number == ENOTDIR || number == ELOOP; }

}  // namespace

std::optional<FileKind> file_kind(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (error || !fs::exists(status)) return std::nullopt;
  return kind_of(status);
}

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

bool is_link(const std::string& path) {
  std::error_code error;
  return fs::is_symlink(fs::symlink_status(path, error));
}

Result<DirectoryIdentity> identify_directory(FileSystem& file_system, const std::string& path) {
  const int fd = file_system.open(path.c_str(), O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0) return system_error(path, "open", errno);
  struct stat info {};
  const int number = file_system.fstat(fd, &info) == 0 ? 0 : errno;
  file_system.close(fd);
  if (number != 0) return system_error(path, "examine", number);
  return DirectoryIdentity{.device = info.st_dev, .inode = info.st_ino};
}

bool is_mount_point(const std::string& path) {
  struct stat here {};
  struct stat above {};
  if (::stat(path.c_str(), &here) != 0 || ::stat((path + "/..").c_str(), &above) != 0) return false;
  return here.st_dev != above.st_dev || here.st_ino == above.st_ino;
}

Result<std::vector<DirectoryEntry>> list_directory(const std::string& path) {
  std::error_code error;
  std::vector<DirectoryEntry> entries;
  fs::directory_iterator at(path, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    DirectoryEntry entry;
    entry.name = at->path().filename().string();
    std::error_code ignored;
    entry.link = at->is_symlink(ignored);
    entry.kind = kind_of(at->status(ignored));
    if (entry.kind == FileKind::regular) entry.size = at->file_size(ignored);
    if (ignored) entry.size = 0;
    entries.push_back(std::move(entry));
  }
  if (error) {
    const bool missing = is_missing(error.value());
    return system_error(path, "list", error.value(), missing ? ErrorCode::input : ErrorCode::io);
  }
  std::sort(entries.begin(), entries.end(),
            [](const DirectoryEntry& a, const DirectoryEntry& b) { return a.name < b.name; });
  return entries;
}

Result<std::string> read_file(FileSystem& file_system, const std::string& path,
                              std::uint64_t most) {
  const int fd = file_system.open(path.c_str(), O_RDONLY | O_NONBLOCK, 0);
  if (fd < 0) {
    const int number = errno;
    return system_error(path, "open", number,
                        is_missing(number) ? ErrorCode::input : ErrorCode::io);
  }
  std::string text;
  Status status;
  struct stat info {};
  if (file_system.fstat(fd, &info) != 0) {
    status = system_error(path, "examine", errno);
  } else if (!S_ISREG(info.st_mode)) {
    status = fail(ErrorCode::input, {.file = path, .tensor = {}}, "is not a regular file");
  } else if (static_cast<std::uint64_t>(info.st_size) > most) {
    status = fail(ErrorCode::input, {.file = path, .tensor = {}}, "is too large, in bytes",
                  std::to_string(info.st_size), "at most " + std::to_string(most));
  } else {
    text.resize(static_cast<std::size_t>(info.st_size));
    for (std::size_t done = 0; done < text.size();) {
      const ssize_t got =
          file_system.pread(fd, text.data() + done, text.size() - done, static_cast<off_t>(done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) status = system_error(path, "read", errno);
      if (got == 0) {
        status = fail(ErrorCode::io, {.file = path, .tensor = {}}, "shrank while it was read");
      }
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
  }
  file_system.close(fd);
  if (!status.ok()) return status;
  return text;
}

std::string resolved_path(const std::string& path) {
  std::error_code error;
  fs::path resolved = fs::weakly_canonical(fs::absolute(path, error), error);
  if (error) resolved = fs::absolute(path, error).lexically_normal();
  // "a/b/" and "a/b" are the same place.
  if (!resolved.has_filename() && resolved.has_relative_path()) resolved = resolved.parent_path();
  return resolved.string();
}

Status make_directories(FileSystem& file_system, const std::string& path) {
  if (file_system.mkdir(path.c_str(), 0777) == 0 || errno == EEXIST) {
    if (file_kind(path) == FileKind::directory) return {};
    return system_error(path, "create the directory", ENOTDIR);
  }
  const int number = errno;
  const std::string parent = fs::path(path).parent_path().string();
  if (number != ENOENT || parent.empty() || parent == path) {
    return system_error(path, "create the directory", number);
  }
  THAW_RETURN_IF_ERROR(make_directories(file_system, parent));
  if (file_system.mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) {
    return system_error(path, "create the directory", errno);
  }
  return {};
}

Status sync_directory(FileSystem& file_system, const std::string& path) {
  const int fd = file_system.open(path.c_str(), O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0) return system_error(path, "open", errno);
  // Some network file systems cannot sync a directory and say so; there is nothing to lose there.
  const int number = file_system.fsync(fd) == 0 || errno == EINVAL || errno == ENOSYS ? 0 : errno;
  file_system.close(fd);
  if (number != 0) return system_error(path, "sync the directory", number);
  return {};
}

Status rename_path(FileSystem& file_system, const std::string& from, const std::string& to) {
  if (file_system.rename(from.c_str(), to.c_str()) == 0) return {};
  return system_error(to, "rename to this name", errno);
}

Status rename_to_new(FileSystem& file_system, const std::string& from, const std::string& to) {
  if (file_system.rename_new(from.c_str(), to.c_str()) == 0) return {};
  const bool unknown = errno == EINVAL || errno == ENOSYS;  // to the file system, or the kernel
  if (errno == EEXIST || (unknown && exists(to))) {
    return fail(ErrorCode::usage, {.file = to, .tensor = {}}, "exists already",
                "Choose another OUT, or replace it with --force.");
  }
  if (unknown) return rename_path(file_system, from, to);
  return system_error(to, "rename to this name", errno);
}

Status exchange_paths(FileSystem& file_system, const std::string& a, const std::string& b) {
  if (file_system.exchange(a.c_str(), b.c_str()) == 0) return {};
  return system_error(b, "exchange", errno);
}

Status remove_tree(FileSystem& file_system, const std::string& path) {
  std::error_code error;
  if (fs::is_directory(fs::symlink_status(path, error))) {
    THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(path));
    for (const DirectoryEntry& entry : entries) {
      THAW_RETURN_IF_ERROR(remove_tree(file_system, path + "/" + entry.name));
    }
    if (file_system.rmdir(path.c_str()) != 0) return system_error(path, "remove", errno);
    return {};
  }
  if (file_system.unlink(path.c_str()) != 0 && errno != ENOENT) {
    return system_error(path, "remove", errno);
  }
  return {};
}

Result<FreeSpace> free_space(FileSystem& file_system, const std::string& path) {
  FreeSpace space;
  if (file_system.free_space(path.c_str(), &space) != 0) {
    if (errno == ENOSYS || errno == EOPNOTSUPP) return FreeSpace{.known = false};
    return system_error(path, "ask for free space", errno);
  }
  return space;
}

}  // namespace thaw
