#include "io/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "io/directory.h"
#include "io/random.h"
#include "io/system_error.h"

namespace thaw {

namespace {

constexpr std::string_view kBefore = ".thaw-";
constexpr std::string_view kAfter = ".new";
constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::size_t kCount = 16;  // hexadecimal digits
constexpr int kTries = 100;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// That nobody can guess it is not needed: O_EXCL sees to our safety.
std::string random_name() { return std::string(kBefore) + random_token() + std::string(kAfter); }

}  // namespace

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : file_system_(other.file_system_),
      folder_(other.folder_),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  std::swap(file_system_, other.file_system_);
  std::swap(folder_, other.folder_);
  std::swap(path_, other.path_);
  std::swap(temporary_, other.temporary_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) file_system_->close(fd_);
  if (!temporary_.empty()) file_system_->unlink_at(at(), temporary_.c_str());
}

std::string AtomicFile::shown() const {
  return folder_ != nullptr ? folder_->path_of(path_) : path_;
}

int AtomicFile::at() const { return folder_ != nullptr ? folder_->descriptor() : AT_FDCWD; }

Status AtomicFile::begin(const std::string& before, mode_t mode) {
  for (int i = 0; i < kTries; ++i) {
    std::string temporary = before + random_name();
    constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    const int fd = file_system_->open_at(at(), temporary.c_str(), kFlags, mode);
    if (fd < 0 && errno == EEXIST) continue;
    if (fd < 0) return system_error(shown(), "make a new file beside it", errno);
    fd_ = fd;
    temporary_ = std::move(temporary);
    return {};
  }
  return system_error(shown(), "make a new file beside it", EEXIST);
}

Result<AtomicFile> AtomicFile::create(FileSystem& file_system, const std::string& path) {
  const std::string folder = folder_of(path);
  AtomicFile file(file_system, nullptr, path);
  THAW_RETURN_IF_ERROR(file.begin((folder == "/" ? "" : folder) + "/", 0666));
  struct stat old {};
  if (::lstat(path.c_str(), &old) == 0 && S_ISREG(old.st_mode)) {
    // Where modes cannot be set, all files of the file system have the same.
    static_cast<void>(::fchmod(file.fd_, old.st_mode & 0777));
  }
  return file;
}

Result<AtomicFile> AtomicFile::create(const Folder& folder, const std::string& name) {
  AtomicFile file(folder.file_system(), &folder, name);
  THAW_RETURN_IF_ERROR(file.begin({}, 0600));
  return file;
}

Status AtomicFile::append(std::string_view content) {
  while (!content.empty()) {
    const ssize_t written =
        file_system_->pwrite(fd_, content.data(), content.size(), static_cast<off_t>(size_));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error(shown(), "write", errno);
    if (written == 0) return system_error(shown(), "write", EIO);
    size_ += static_cast<std::uint64_t>(written);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Status AtomicFile::publish() {
  if (file_system_->fsync(fd_) != 0) return system_error(shown(), "sync", errno);
  // Some network file systems tell only now that the bytes did not arrive.
  if (file_system_->close(std::exchange(fd_, -1)) != 0)
    return system_error(shown(), "close", errno);
  if (file_system_->rename_at(at(), temporary_.c_str(), at(), path_.c_str()) != 0) {
    return system_error(shown(), "rename to this name", errno);
  }
  temporary_.clear();
  return folder_ != nullptr ? folder_->sync() : sync_directory(*file_system_, folder_of(path_));
}

Status save_file(FileSystem& file_system, const std::string& path, std::string_view content) {
  THAW_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(file_system, path));
  THAW_RETURN_IF_ERROR(file.append(content));
  return file.publish();
}

Status save_file(const Folder& folder, const std::string& name, std::string_view content) {
  THAW_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(folder, name));
  THAW_RETURN_IF_ERROR(file.append(content));
  return file.publish();
}

bool is_temporary_name(std::string_view name) {
  return name.size() == kBefore.size() + kCount + kAfter.size() && name.starts_with(kBefore) &&
         name.ends_with(kAfter) &&
         name.substr(kBefore.size(), kCount).find_first_not_of(kDigits) == std::string_view::npos;
}

}  // namespace thaw
