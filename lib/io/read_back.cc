#include "io/read_back.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "io/system_error.h"

namespace thaw {

namespace {

constexpr int kFlags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW;

class BackReader {
 public:
  BackReader(FileSystem& file_system, const std::string& path, std::function<int(int)> open)
      : file_system_(file_system), path_(path), open_(std::move(open)) {}
  ~BackReader() {
    if (fd_ >= 0) file_system_.close(fd_);
  }
  BackReader(const BackReader&) = delete;
  BackReader& operator=(const BackReader&) = delete;

  Status open(std::uint64_t size) {
    fd_ = open_(kFlags | O_DIRECT);
    direct_ = fd_ >= 0;
    if (!direct_) {
      if (errno != EINVAL) return system_error(path_, "open", errno);
      THAW_RETURN_IF_ERROR(open_buffered());
    }
    struct stat info {};
    if (file_system_.fstat(fd_, &info) != 0) return system_error(path_, "examine", errno);
    const Place place{.file = path_, .tensor = {}};
    if (!S_ISREG(info.st_mode)) {
      return fail(ErrorCode::input, place, "is not a regular file");
    }
    if (static_cast<std::uint64_t>(info.st_size) != size) {
      return fail(ErrorCode::input, place, "size in bytes", std::to_string(info.st_size),
                  std::to_string(size));
    }
    return {};
  }

  // Fills `to` from `offset`, which is a multiple of 4096, with all that the file has there.
  Status read(std::uint64_t offset, std::span<std::byte> to, std::uint64_t expected) {
    for (std::uint64_t done = 0; done < expected;) {
      const ssize_t got = file_system_.pread(fd_, to.data() + done, to.size() - done,
                                             static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EINVAL && direct_) {
        THAW_RETURN_IF_ERROR(open_buffered());
        continue;
      }
      if (got < 0) return system_error(path_, "read", errno);
      if (got == 0) {
        return fail(ErrorCode::io, {.file = path_, .tensor = {}}, "shrank while it was read");
      }
      done += static_cast<std::uint64_t>(got);
    }
    if (!direct_) {
      ::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(to.size()),
                      POSIX_FADV_DONTNEED);
    }
    return {};
  }

 private:
  Status open_buffered() {
    if (fd_ >= 0) file_system_.close(std::exchange(fd_, -1));
    direct_ = false;
    fd_ = open_(kFlags);
    if (fd_ < 0) return system_error(path_, "open", errno);
    // No reading ahead: it could not be dropped again.
    ::posix_fadvise(fd_, 0, 0, POSIX_FADV_RANDOM);
    return {};
  }

  FileSystem& file_system_;
  const std::string& path_;
  const std::function<int(int)> open_;  // by flags
  int fd_ = -1;
  bool direct_ = false;
};

Status read_all(BackReader& reader, std::uint64_t size, std::span<std::byte> buffer,
                const Consumer& consume) {
  THAW_RETURN_IF_ERROR(reader.open(size));
  for (std::uint64_t offset = 0; offset < size;) {
    const std::uint64_t part = std::min<std::uint64_t>(buffer.size(), size - offset);
    THAW_RETURN_IF_ERROR(reader.read(offset, buffer, part));
    THAW_RETURN_IF_ERROR(consume(offset, buffer.first(part)));
    offset += part;
  }
  return {};
}

}  // namespace

Status read_back(FileSystem& file_system, const std::string& path, std::uint64_t size,
                 std::span<std::byte> buffer, const Consumer& consume) {
  BackReader reader(file_system, path,
                    [&](int flags) { return file_system.open(path.c_str(), flags, 0); });
  return read_all(reader, size, buffer, consume);
}

Status read_back(const Folder& folder, const std::string& name, std::uint64_t size,
                 std::span<std::byte> buffer, const Consumer& consume) {
  const std::string path = folder.path_of(name);
  FileSystem& file_system = folder.file_system();
  BackReader reader(file_system, path, [&](int flags) {
    return file_system.open_at(folder.descriptor(), name.c_str(), flags, 0);
  });
  return read_all(reader, size, buffer, consume);
}

}  // namespace thaw
