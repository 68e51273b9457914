// A pipe takes 1 MiB where the system allows it, and gets pieces of 256 KiB: about as fast as two
// processes can copy (bench/results/). It is opened a second time so that writing need not wait
// for the reader: a flag set on the descriptor itself would be set for all who share it, standard
// error among them. A regular file is pushed to the disk and dropped from the page cache behind.
#include "io/descriptor_stream.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "io/system_error.h"

namespace thaw {

namespace {

constexpr std::size_t kPiece = 256u << 10;
constexpr std::size_t kSmall = 64u << 10;  // less than that is collected
constexpr int kPipeSize = 1 << 20;
constexpr int kPatience = 100;  // milliseconds between two looks at the stop flag

class DescriptorStream final : public ByteStream {
 public:
  DescriptorStream(FileSystem& file_system, DescriptorSettings settings)
      : file_system_(file_system),
        settings_(std::move(settings)),
        descriptor_(settings_.descriptor) {
    held_.reserve(kSmall);
  }
  ~DescriptorStream() override {
    if (own_ >= 0) file_system_.close(own_);
  }
  DescriptorStream(const DescriptorStream&) = delete;
  DescriptorStream& operator=(const DescriptorStream&) = delete;

  Status open();
  [[nodiscard]] Status put(std::span<const std::byte> bytes) override;
  [[nodiscard]] Status finish() override;
  [[nodiscard]] std::uint64_t size() const override { return written_ + held_.size(); }

 private:
  [[nodiscard]] Status failed(const char* action) const {
    return system_error(settings_.name, action, errno);
  }
  Status write_all(std::span<const std::byte> bytes);
  Status flush();
  Status push_out();

  FileSystem& file_system_;
  const DescriptorSettings settings_;
  int descriptor_;
  int own_ = -1;  // a second description of the same pipe, or none
  bool is_file_ = false;
  std::uint64_t begin_ = 0;    // where in the file our first byte goes
  std::uint64_t pushed_ = 0;   // of what was written
  std::uint64_t dropped_ = 0;  // from the page cache
  std::uint64_t written_ = 0;
  std::vector<std::byte> held_;
};

Status DescriptorStream::open() {
  const int flags = ::fcntl(descriptor_, F_GETFL);
  if (flags < 0) return failed("be written");
  if ((flags & O_ACCMODE) == O_RDONLY) {
    errno = EBADF;
    return failed("be written");
  }
  struct stat info {};
  if (file_system_.fstat(descriptor_, &info) != 0) return failed("be looked at");
  if (S_ISFIFO(info.st_mode)) {
    // Refused where the user's pipes hold too much already: slower, no worse.
    static_cast<void>(::fcntl(descriptor_, F_SETPIPE_SZ, kPipeSize));
    const std::string again = "/proc/self/fd/" + std::to_string(descriptor_);
    own_ = file_system_.open(again.c_str(), O_WRONLY | O_NONBLOCK, 0);
    if (own_ >= 0) descriptor_ = own_;
  } else if (S_ISREG(info.st_mode)) {
    const off_t at = ::lseek(descriptor_, 0, (flags & O_APPEND) != 0 ? SEEK_END : SEEK_CUR);
    is_file_ = at >= 0;
    begin_ = is_file_ ? static_cast<std::uint64_t>(at) : 0;
  }
  return {};
}

Status DescriptorStream::put(std::span<const std::byte> bytes) {
  if (held_.size() + bytes.size() <= kSmall) {
    held_.insert(held_.end(), bytes.begin(), bytes.end());
    return {};
  }
  THAW_RETURN_IF_ERROR(flush());
  if (bytes.size() > kSmall) return write_all(bytes);
  held_.assign(bytes.begin(), bytes.end());
  return {};
}

Status DescriptorStream::flush() {
  if (held_.empty()) return {};
  Status status = write_all(held_);
  held_.clear();
  return status;
}

Status DescriptorStream::write_all(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (settings_.stop != nullptr) {
      if (const auto reason = settings_.stop->reason()) {
        return fail(*reason, {}, "stopped by a signal");
      }
    }
    const std::size_t piece = std::min(bytes.size(), kPiece);
    const ssize_t count = file_system_.write(descriptor_, bytes.data(), piece);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {
      if (file_system_.wait_writable(descriptor_, kPatience) < 0 && errno != EINTR) {
        return failed("be waited for");
      }
      continue;
    }
    if (count == 0) errno = EIO;
    if (count <= 0) return failed("be written");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    written_ += static_cast<std::uint64_t>(count);
    if (is_file_) THAW_RETURN_IF_ERROR(push_out());
  }
  return {};
}

Status DescriptorStream::push_out() {
  constexpr std::uint64_t kStep = 4u << 20;
  if (written_ - pushed_ < kStep) return {};
  const auto unsupported = [] { return errno == EINVAL || errno == ENOSYS || errno == ESPIPE; };
  const auto offset = [&](std::uint64_t at) { return static_cast<off_t>(begin_ + at); };
  if (file_system_.sync_file_range(descriptor_, offset(pushed_),
                                   static_cast<off_t>(written_ - pushed_),
                                   SYNC_FILE_RANGE_WRITE) != 0 &&
      !unsupported()) {
    return failed("be written");
  }
  pushed_ = written_;
  if (written_ - dropped_ < settings_.window) return {};
  const std::uint64_t oldest = std::max(kStep, settings_.window / 2 / kStep * kStep);
  if (file_system_.sync_file_range(
          descriptor_, offset(dropped_), static_cast<off_t>(oldest),
          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) != 0 &&
      !unsupported()) {
    return failed("be written");
  }
  ::posix_fadvise(descriptor_, offset(dropped_), static_cast<off_t>(oldest), POSIX_FADV_DONTNEED);
  dropped_ += oldest;
  return {};
}

Status DescriptorStream::finish() {
  THAW_RETURN_IF_ERROR(flush());
  if (is_file_ && file_system_.fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS) {
    return failed("be synced");
  }
  const int own = std::exchange(own_, -1);
  if (own >= 0 && file_system_.close(own) != 0) return failed("be closed");
  return {};
}

}  // namespace

Result<std::unique_ptr<ByteStream>> open_descriptor_stream(FileSystem& file_system,
                                                           const DescriptorSettings& settings) {
  auto stream = std::make_unique<DescriptorStream>(file_system, settings);
  THAW_RETURN_IF_ERROR(stream->open());
  return std::unique_ptr<ByteStream>(std::move(stream));
}

}  // namespace thaw
