#include "io/atomic_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <utility>

#include "io/directory.h"
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

// Nobody must be able to guess it for our safety, O_EXCL sees to that; it is random so that two
// processes do not meet. Where the system has no random numbers, process, time and count differ.
std::string random_name() {
  static std::atomic<std::uint64_t> count{0};
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number) {
    const auto time = std::chrono::system_clock::now().time_since_epoch().count();
    number = static_cast<std::uint64_t>(time) * 0x9E3779B97F4A7C15u;
    number ^= static_cast<std::uint64_t>(::getpid()) << 32;
    number += count.fetch_add(1);
  }
  std::string name(kBefore);
  for (std::size_t i = 0; i < kCount; ++i) name += kDigits[(number >> (4 * i)) & 15];
  return name.append(kAfter);
}

}  // namespace

AtomicFile::AtomicFile(FileSystem& file_system, std::string path, std::string temporary, int fd)
    : file_system_(&file_system),
      path_(std::move(path)),
      temporary_(std::move(temporary)),
      fd_(fd) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : file_system_(other.file_system_),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  std::swap(file_system_, other.file_system_);
  std::swap(path_, other.path_);
  std::swap(temporary_, other.temporary_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) file_system_->close(fd_);
  if (!temporary_.empty()) file_system_->unlink(temporary_.c_str());
}

Result<AtomicFile> AtomicFile::create(FileSystem& file_system, const std::string& path) {
  const std::string folder = folder_of(path);
  for (int i = 0; i < kTries; ++i) {
    const std::string temporary = (folder == "/" ? "" : folder) + "/" + random_name();
    constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    const int fd = file_system.open(temporary.c_str(), kFlags, 0666);
    if (fd < 0 && errno == EEXIST) continue;
    if (fd < 0) return system_error(path, "make a new file beside it", errno);
    AtomicFile file(file_system, path, temporary, fd);
    struct stat old {};
    if (::lstat(path.c_str(), &old) == 0 && S_ISREG(old.st_mode)) {
      // Where modes cannot be set, all files of the file system have the same.
      static_cast<void>(::fchmod(fd, old.st_mode & 0777));
    }
    return file;
  }
  return system_error(path, "make a new file beside it", EEXIST);
}

Status AtomicFile::append(std::string_view content) {
  while (!content.empty()) {
    const ssize_t written =
        file_system_->pwrite(fd_, content.data(), content.size(), static_cast<off_t>(size_));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error(path_, "write", errno);
    if (written == 0) return system_error(path_, "write", EIO);
    size_ += static_cast<std::uint64_t>(written);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Status AtomicFile::publish() {
  if (file_system_->fsync(fd_) != 0) return system_error(path_, "sync", errno);
  // Some network file systems tell only now that the bytes did not arrive.
  if (file_system_->close(std::exchange(fd_, -1)) != 0) return system_error(path_, "close", errno);
  THAW_RETURN_IF_ERROR(rename_path(*file_system_, temporary_, path_));
  temporary_.clear();
  return sync_directory(*file_system_, folder_of(path_));
}

Status save_file(FileSystem& file_system, const std::string& path, std::string_view content) {
  THAW_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(file_system, path));
  THAW_RETURN_IF_ERROR(file.append(content));
  return file.publish();
}

bool is_temporary_name(std::string_view name) {
  return name.size() == kBefore.size() + kCount + kAfter.size() && name.starts_with(kBefore) &&
         name.ends_with(kAfter) &&
         name.substr(kBefore.size(), kCount).find_first_not_of(kDigits) == std::string_view::npos;
}

}  // namespace thaw
