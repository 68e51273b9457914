// Two descriptors a file: O_DIRECT for aligned pieces, which costs no page cache and hardly any
// processor time, and a plain one for the rest. What goes through the page cache is pushed to the
// disk at once and dropped from the cache a window later, so that it stays small and fsync at the
// end has little to do (bench/results/).
#include "io/output_file.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <deque>
#include <mutex>
#include <utility>

#include "io/folder.h"
#include "io/system_error.h"

namespace thaw {

namespace {

// Each step is on its way to the disk while the next is copied into the cache. They end at
// multiples of it: a page of which two steps have a part would stay.
constexpr std::uint64_t kCachedStep = 2u << 20;

struct Range {
  std::uint64_t offset;
  std::uint64_t size;
};

bool is_unsupported(int number) {
  return number == EINVAL || number == EOPNOTSUPP || number == ENOSYS || number == ESPIPE;
}

}  // namespace

struct OutputFile::State {
  FileSystem& file_system;
  std::string path;
  std::uint64_t window;
  int buffered = -1;
  int direct = -1;
  std::atomic<bool> direct_works{false};
  std::atomic<bool> direct_was_used{false};
  std::mutex copying;
  std::mutex mutex;            // of what follows
  std::deque<Range> in_cache;  // started on their way to the disk, oldest first
  std::uint64_t in_cache_bytes = 0;

  State(FileSystem& fs, std::string name, std::uint64_t window_bytes)
      : file_system(fs), path(std::move(name)), window(window_bytes) {}
  ~State() {
    if (direct >= 0) file_system.close(direct);
    if (buffered >= 0) file_system.close(buffered);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  [[nodiscard]] bool is_one_file() const;
  ssize_t write(bool around_cache, std::uint64_t offset, std::span<const std::byte> bytes);
  Status push_out(Range range);
  Status wait_for(Range range);
};

OutputFile::OutputFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
OutputFile::OutputFile(OutputFile&&) noexcept = default;
OutputFile& OutputFile::operator=(OutputFile&&) noexcept = default;
OutputFile::~OutputFile() = default;

Result<OutputFile> OutputFile::create(FileSystem& file_system, const std::string& path,
                                      std::uint64_t size, const OutputSettings& settings) {
  auto state = std::make_unique<State>(file_system, path, settings.window);
  const auto open = [&](int flags) {
    const bool first = (flags & O_DIRECT) == 0;
    return file_system.open(path.c_str(), flags | O_NOFOLLOW | (first ? O_CREAT | O_TRUNC : 0),
                            0666);
  };
  return begin(std::move(state), open, size, settings);
}

Result<OutputFile> OutputFile::create(const Folder& folder, const std::string& name,
                                      std::uint64_t size, const OutputSettings& settings) {
  THAW_RETURN_IF_ERROR(folder.remove(name));
  FileSystem& file_system = folder.file_system();
  auto state = std::make_unique<State>(file_system, folder.path_of(name), settings.window);
  const auto open = [&](int flags) {
    const bool first = (flags & O_DIRECT) == 0;
    return file_system.open_at(folder.descriptor(), name.c_str(),
                               flags | O_NOFOLLOW | (first ? O_CREAT | O_EXCL : 0), 0666);
  };
  return begin(std::move(state), open, size, settings);
}

Result<OutputFile> OutputFile::begin(std::unique_ptr<State> state,
                                     const std::function<int(int)>& open, std::uint64_t size,
                                     const OutputSettings& settings) {
  FileSystem& file_system = state->file_system;
  state->buffered = open(O_RDWR);
  if (state->buffered < 0) return system_error(state->path, "create", errno);
  const auto length = static_cast<off_t>(size);
  if (size != 0 && file_system.fallocate(state->buffered, length) != 0) {
    if (!is_unsupported(errno)) return system_error(state->path, "reserve the space", errno);
    if (file_system.ftruncate(state->buffered, length) != 0) {
      return system_error(state->path, "set the size", errno);
    }
  }
  if (settings.direct && (size >= kDirectAlignment || settings.grows)) {
    // Refused here or at the first write by file systems that have no such mode.
    state->direct = open(O_WRONLY | O_DIRECT);
    state->direct_works = state->direct >= 0 && state->is_one_file();
  }
  return OutputFile(std::move(state));
}

// Somebody may have put another file at the name since the first opening.
bool OutputFile::State::is_one_file() const {
  const Result<Entry> first = entry_of(file_system, buffered, path);
  const Result<Entry> second = entry_of(file_system, direct, path);
  return first.ok() && second.ok() && first.value().same_as(second.value());
}

Status OutputFile::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  State& s = *state_;
  while (!bytes.empty()) {
    const bool aligned = (offset | bytes.size() | reinterpret_cast<std::uintptr_t>(bytes.data())) %
                             kDirectAlignment ==
                         0;
    const bool direct = aligned && s.direct_works.load(std::memory_order_relaxed);
    const std::size_t size =
        direct ? bytes.size()
               : std::min<std::uint64_t>(bytes.size(), kCachedStep - offset % kCachedStep);
    const ssize_t written = s.write(direct, offset, bytes.first(size));
    if (written < 0) {
      if (errno == EINTR) continue;
      if (direct && is_unsupported(errno)) {
        s.direct_works = false;
        continue;
      }
      return system_error(s.path, "write", errno);
    }
    if (written == 0) return system_error(s.path, "write", EIO);
    const auto count = static_cast<std::uint64_t>(written);
    if (direct) {
      s.direct_was_used.store(true, std::memory_order_relaxed);
    } else {
      THAW_RETURN_IF_ERROR(s.push_out({offset, count}));
    }
    offset += count;
    bytes = bytes.subspan(count);
  }
  return {};
}

// One at a time into the cache: the kernel lets in one, and the others would wait in it, spinning.
ssize_t OutputFile::State::write(bool around_cache, std::uint64_t offset,
                                 std::span<const std::byte> bytes) {
  const auto at = static_cast<off_t>(offset);
  if (around_cache) return file_system.pwrite(direct, bytes.data(), bytes.size(), at);
  const std::lock_guard turn(copying);
  return file_system.pwrite(buffered, bytes.data(), bytes.size(), at);
}

Status OutputFile::State::push_out(Range range) {
  if (file_system.sync_file_range(buffered, static_cast<off_t>(range.offset),
                                  static_cast<off_t>(range.size), SYNC_FILE_RANGE_WRITE) != 0 &&
      !is_unsupported(errno)) {
    return system_error(path, "write", errno);
  }
  std::deque<Range> oldest;
  {
    const std::lock_guard lock(mutex);
    in_cache.push_back(range);
    in_cache_bytes += range.size;
    while (in_cache_bytes > window) {
      in_cache_bytes -= in_cache.front().size;
      oldest.push_back(in_cache.front());
      in_cache.pop_front();
    }
  }
  for (const Range& old : oldest) THAW_RETURN_IF_ERROR(wait_for(old));
  return {};
}

Status OutputFile::State::wait_for(Range range) {
  constexpr unsigned kWriteAndWait =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  const auto offset = static_cast<off_t>(range.offset);
  const auto size = static_cast<off_t>(range.size);
  if (file_system.sync_file_range(buffered, offset, size, kWriteAndWait) != 0 &&
      !is_unsupported(errno)) {
    return system_error(path, "write", errno);
  }
  ::posix_fadvise(buffered, offset, size, POSIX_FADV_DONTNEED);
  return {};
}

Status OutputFile::finish() {
  State& s = *state_;
  std::deque<Range> rest;
  {
    const std::lock_guard lock(s.mutex);
    rest.swap(s.in_cache);
    s.in_cache_bytes = 0;
  }
  for (const Range& range : rest) THAW_RETURN_IF_ERROR(s.wait_for(range));
  if (s.file_system.fsync(s.buffered) != 0) return system_error(s.path, "sync", errno);
  const int direct = std::exchange(s.direct, -1);
  if (direct >= 0 && s.file_system.close(direct) != 0) return system_error(s.path, "close", errno);
  const int buffered = std::exchange(s.buffered, -1);
  if (s.file_system.close(buffered) != 0) return system_error(s.path, "close", errno);
  return {};
}

bool OutputFile::used_direct() const {
  return state_->direct_was_used.load(std::memory_order_relaxed);
}

}  // namespace thaw
