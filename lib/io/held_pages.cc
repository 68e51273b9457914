#include "io/held_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "base/bytes.h"
#include "io/system_error.h"

namespace thaw {

namespace {

constexpr int kFresh = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

bool map_fresh(std::byte* at, std::uint64_t size, int protection) {
  return ::mmap(at, static_cast<std::size_t>(size), protection, kFresh, -1, 0) != MAP_FAILED;
}

}  // namespace

Status HeldPages::take(FileSystem& file_system, int fd, const std::string& path, std::byte* begin,
                       std::uint64_t size) {
  if (!map_fresh(begin, size, PROT_NONE)) return system_error(path, "reserve memory for", errno);
  file_system_ = &file_system;
  fd_ = fd;
  path_ = path;
  begin_ = begin;
  size_ = size;
  parts_.assign(divide_up(size, kPart), Part::absent);
  return {};
}

Status HeldPages::bring(std::uint64_t offset, std::uint64_t size) {
  if (size == 0) return {};
  const std::uint64_t first = offset / kPart;
  const std::uint64_t last = divide_up(offset + size, kPart);
  std::unique_lock lock(mutex_);
  for (std::uint64_t part = first; part < last;) {
    if (parts_[part] == Part::there) {
      ++part;
    } else if (parts_[part] == Part::coming) {
      arrived_.wait(lock, [&] { return parts_[part] != Part::coming; });
    } else {
      std::uint64_t end = part;
      while (end < last && parts_[end] == Part::absent) parts_[end++] = Part::coming;
      lock.unlock();
      Status status = read(part, end);
      lock.lock();
      std::fill(parts_.begin() + static_cast<std::ptrdiff_t>(part),
                parts_.begin() + static_cast<std::ptrdiff_t>(end),
                status.ok() ? Part::there : Part::absent);
      arrived_.notify_all();
      if (!status.ok()) return status;
      part = end;
    }
  }
  return {};
}

// Parts [first, last), which nobody else touches meanwhile.
Status HeldPages::read(std::uint64_t first, std::uint64_t last) {
  const std::uint64_t begin = first * kPart;
  const std::uint64_t end = std::min(last * kPart, size_);
  if (::mprotect(begin_ + begin, end - begin, PROT_READ | PROT_WRITE) != 0) {
    return system_error(path_, "reserve memory for", errno);
  }
  for (std::uint64_t at = begin; at < end;) {
    const ssize_t got = file_system_->pread(fd_, begin_ + at, end - at, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      const int number = got < 0 ? errno : EIO;  // the file has become shorter
      map_fresh(begin_ + begin, end - begin, PROT_NONE);
      return system_error(path_, "read", number);
    }
    at += static_cast<std::uint64_t>(got);
  }
  return {};
}

void HeldPages::drop(std::uint64_t offset, std::uint64_t size) {
  const std::uint64_t end = std::min(offset + size, size_);
  const std::uint64_t first = divide_up(offset, kPart);
  const std::uint64_t last = end == size_ ? parts_.size() : end / kPart;
  const std::lock_guard lock(mutex_);
  for (std::uint64_t part = first; part < last; ++part) {
    if (parts_[part] != Part::there) continue;
    std::uint64_t past = part;
    while (past < last && parts_[past] == Part::there) parts_[past++] = Part::absent;
    const std::uint64_t from = part * kPart;
    map_fresh(begin_ + from, std::min(past * kPart, size_) - from, PROT_NONE);
    part = past - 1;
  }
}

}  // namespace thaw
