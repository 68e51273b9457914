#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "io/held_pages.h"
#include "io/paged_region.h"
#include "io/sigbus.h"
#include "io/system_error.h"

namespace thaw {

namespace {

// Steps of 4 MiB keep the kernel's read-ahead in large pages (bench/results/).
constexpr std::uint64_t kPopulateStep = 4u << 20;
constexpr std::uint64_t kPageTableReach = 2u << 20;
constexpr std::uint64_t kExactStep = 1u << 20;

std::int64_t nanoseconds(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

FileIdentity identity_of(const struct stat& info) {
  return {.device = info.st_dev,
          .inode = info.st_ino,
          .size = static_cast<std::uint64_t>(info.st_size),
          .modified_ns = nanoseconds(info.st_mtim),
          .changed_ns = nanoseconds(info.st_ctim)};
}

// A miss in a mapping reads what lies around it, also what was dropped a moment ago and would be
// dropped by nobody again. So: only what follows, by large pages where there are such. They also
// make faults and page tables few, and go whole when dropped. A kernel that knows neither reads on.
void read_forwards(void* address, std::uint64_t size) {
  static_cast<void>(::madvise(address, size, MADV_SEQUENTIAL));
  static_cast<void>(::madvise(address, size, MADV_HUGEPAGE));
}

// Of the file system, whatever the mapping.
bool has_no_mappings(int number) {
  return number == ENODEV || number == EINVAL || number == EOPNOTSUPP || number == ENOSYS;
}

// Closes a descriptor that open() has not handed on yet.
class Descriptor {
 public:
  Descriptor(FileSystem& file_system, int fd) : file_system_(file_system), fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) file_system_.close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

 private:
  FileSystem& file_system_;
  int fd_;
};

}  // namespace

struct MappedFile::State {
  FileSystem& file_system;
  std::string path;
  int fd;
  FileIdentity identity;
  std::unique_ptr<Mapping> mapping;    // null: an empty file, or one that cannot be mapped
  std::unique_ptr<PagedRegion> paged;  // of such a file
  std::unique_ptr<SigbusGuard> guard;  // declared after the mapping: goes before it
  HeldPages held;                      // takes the mapping's addresses, once it is asked to
  std::uint64_t dropped_end = 0;       // where the last dropped range ended

  ~State() {
    paged.reset();  // it reads from the descriptor
    file_system.close(fd);
  }
};

MappedFile::MappedFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
MappedFile::MappedFile(MappedFile&&) noexcept = default;
MappedFile& MappedFile::operator=(MappedFile&&) noexcept = default;
MappedFile::~MappedFile() = default;

Result<MappedFile> MappedFile::open(FileSystem& file_system, const std::string& path, Empty empty) {
  const Place place{.file = path, .tensor = {}};
  // O_NONBLOCK: opening a FIFO must not wait for a writer; it means nothing for regular files.
  Descriptor fd(file_system, file_system.open(path.c_str(), O_RDONLY | O_NONBLOCK, 0));
  if (fd.get() < 0) {
    const int number = errno;
    const bool missing = number == ENOENT || number == ENOTDIR || number == ELOOP;
    return system_error(path, "open", number, missing ? ErrorCode::input : ErrorCode::io);
  }
  struct stat info {};
  if (file_system.fstat(fd.get(), &info) != 0) return system_error(path, "examine", errno);
  if (!S_ISREG(info.st_mode)) {
    return fail(ErrorCode::input, place, "is not a regular file",
                "Inputs are regular files, or symbolic links to them.");
  }
  auto state = std::unique_ptr<State>(
      new State{file_system, path, fd.get(), identity_of(info), nullptr, nullptr, nullptr, {}, 0});
  (void)fd.release();
  // For read_exactly(); the mapping reads ahead through a descriptor of its own.
  ::posix_fadvise(state->fd, 0, 0, POSIX_FADV_RANDOM);
  if (state->identity.size == 0) {
    if (empty == Empty::refused) return fail(ErrorCode::input, place, "is empty");
    return MappedFile(std::move(state));
  }
  state->mapping = file_system.map(path, state->identity.size);
  if (state->mapping != nullptr) {
    read_forwards(const_cast<std::byte*>(state->mapping->data()), state->identity.size);
  } else if (has_no_mappings(errno) && file_system.may_catch_signals()) {
    state->paged = PagedRegion::create(state->fd, state->identity.size);
  }
  if (state->mapping == nullptr && state->paged == nullptr) {
    return system_error(path, "map into memory", errno);
  }
  // The mapping was opened by name: make sure that the name still means the file that we examined.
  Descriptor again(file_system, file_system.open(path.c_str(), O_RDONLY | O_NONBLOCK, 0));
  struct stat info_again {};
  if (again.get() < 0 || file_system.fstat(again.get(), &info_again) != 0) {
    return system_error(path, "examine", errno);
  }
  if (identity_of(info_again) != state->identity) {
    return fail(ErrorCode::io, place, "changed while it was opened");
  }
  if (state->paged != nullptr || !file_system.may_catch_signals()) {
    return MappedFile(std::move(state));
  }
  state->guard = std::make_unique<SigbusGuard>(state->mapping->data(), state->identity.size);
  if (!state->guard->active()) {
    return fail(ErrorCode::io, place, "too many input files are open at once");
  }
  return MappedFile(std::move(state));
}

const std::string& MappedFile::path() const { return state_->path; }
std::uint64_t MappedFile::size() const { return state_->identity.size; }
const FileIdentity& MappedFile::identity() const { return state_->identity; }

std::span<const std::byte> MappedFile::bytes() const {
  if (state_->paged != nullptr) return {state_->paged->data(), state_->identity.size};
  if (state_->mapping == nullptr) return {};
  return {state_->mapping->data(), state_->identity.size};
}

Status MappedFile::populate(std::uint64_t offset, std::uint64_t size) const {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t end = std::min(offset + size, state_->identity.size);
  const std::span<const std::byte> all = bytes();
  if (state_->held.taken())
    return offset < end ? state_->held.bring(offset, end - offset) : Status();
  if (state_->paged != nullptr) {
    for (std::uint64_t at = round_down(offset, PagedRegion::kPart); at < end;
         at += PagedRegion::kPart) {
      static_cast<void>(*static_cast<const volatile std::byte*>(all.data() + at));
    }
    return damaged() ? check_unchanged() : Status();
  }
  for (std::uint64_t at = round_down(offset, page); at < end;) {
    const std::uint64_t step = std::min(round_down(at, kPopulateStep) + kPopulateStep, end) - at;
    auto* address = const_cast<std::byte*>(all.data() + at);  // madvise takes no const pointer
    if (::madvise(address, step, MADV_POPULATE_READ) != 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      if (errno == EINVAL) {
        // A kernel before 5.14: touch the pages; the guard catches what is not there.
        for (std::uint64_t i = at; i < at + step; i += page) {
          static_cast<void>(*static_cast<const volatile std::byte*>(all.data() + i));
        }
      } else if (errno == EFAULT || errno == EHWPOISON) {
        THAW_RETURN_IF_ERROR(check_unchanged());
        return system_error(state_->path, "read", EIO);
      } else {
        return system_error(state_->path, "read", errno);
      }
    }
    at += step;
  }
  return {};
}

Status MappedFile::read_exactly(std::uint64_t offset, std::uint64_t size) const {
  if (state_->paged != nullptr || state_->held.taken()) return populate(offset, size);
  std::vector<std::byte> discarded(std::min(size, kExactStep));
  const std::uint64_t end = std::min(offset + size, state_->identity.size);
  for (std::uint64_t at = offset; at < end;) {
    const ssize_t got = state_->file_system.pread(
        state_->fd, discarded.data(), std::min<std::uint64_t>(end - at, discarded.size()),
        static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(state_->path, "read", errno);
    if (got == 0) {
      THAW_RETURN_IF_ERROR(check_unchanged());
      return system_error(state_->path, "read", EIO);
    }
    at += static_cast<std::uint64_t>(got);
  }
  return {};
}

void MappedFile::unmap_pages(std::uint64_t offset, std::uint64_t size) const {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t begin = round_up(offset, page);
  std::uint64_t end = std::min(offset + size, state_->identity.size);
  if (end != state_->identity.size) end = round_down(end, page);
  // Once damaged, the pages are our zeros; dropping those would bring the fault back.
  if (end <= begin || damaged()) return;
  if (state_->paged != nullptr) return state_->paged->drop(offset, size);
  if (state_->held.taken()) return state_->held.drop(offset, size);
  ::madvise(const_cast<std::byte*>(bytes().data() + begin), end - begin, MADV_DONTNEED);
}

void MappedFile::drop_cache(std::uint64_t offset, std::uint64_t size) const {
  if (size == 0) return;  // to the kernel, a length of 0 means "up to the end of the file"
  ::posix_fadvise(state_->fd, static_cast<off_t>(offset), static_cast<off_t>(size),
                  POSIX_FADV_DONTNEED);
}

void MappedFile::drop(std::uint64_t offset, std::uint64_t size) const {
  const std::uint64_t end = std::min(offset + size, state_->identity.size);
  if (offset >= end || damaged()) return;
  unmap_pages(offset, end - offset);
  if (state_->held.taken()) return;  // the cache is the system's: the next reader may want it
  // Unclipped: the kernel keeps a large page of which a part lies beyond the range, and the last
  // one of a file reaches past its end.
  drop_cache(offset, size);
  if (state_->paged != nullptr) return;
  // A page table serves 2 MiB of addresses and goes when all of them are mapped anew; where the
  // range continues the last one, the table between the two is reached as well.
  const auto base = reinterpret_cast<std::uintptr_t>(bytes().data());
  const std::uint64_t from = offset == state_->dropped_end && offset >= kPageTableReach
                                 ? offset - kPageTableReach
                                 : offset;
  const std::uintptr_t first = round_up(base + from, kPageTableReach);
  const std::uintptr_t last = round_down(base + end, kPageTableReach);
  state_->dropped_end = end;
  if (last <= first) return;
  // Replaces the mapping by itself in one step: other threads may read beside or even inside it.
  // A failure (too many mappings) costs nothing but the page tables.
  void* const anew = ::mmap(reinterpret_cast<void*>(first), last - first, PROT_READ,
                            (state_->mapping->shared() ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED,
                            state_->fd, static_cast<off_t>(first - base));
  if (anew != MAP_FAILED) read_forwards(anew, last - first);
}

Status MappedFile::hold_pages() const {
  if (state_->mapping == nullptr || state_->held.taken()) return {};
  auto* begin = const_cast<std::byte*>(state_->mapping->data());  // the memory becomes ours
  return state_->held.take(state_->file_system, state_->fd, state_->path, begin,
                           state_->identity.size);
}

bool MappedFile::damaged() const {
  if (state_->paged != nullptr) return state_->paged->damaged();
  return state_->guard != nullptr && state_->guard->damaged();
}

bool MappedFile::changed() const {
  struct stat info {};
  if (state_->file_system.fstat(state_->fd, &info) != 0) return false;
  const FileIdentity now = identity_of(info);
  return now.size != state_->identity.size || now.modified_ns != state_->identity.modified_ns ||
         now.changed_ns != state_->identity.changed_ns;
}

Status MappedFile::check_unchanged() const {
  const Place place{.file = state_->path, .tensor = {}};
  struct stat info {};
  if (state_->file_system.fstat(state_->fd, &info) != 0) {
    return system_error(state_->path, "examine", errno);
  }
  const FileIdentity now = identity_of(info);
  if (now.size != state_->identity.size) {
    return fail(ErrorCode::io, place, "changed while it was read: size in bytes",
                std::to_string(now.size), std::to_string(state_->identity.size));
  }
  if (now.modified_ns != state_->identity.modified_ns) {
    return fail(ErrorCode::io, place, "was modified while it was read");
  }
  if (now.changed_ns != state_->identity.changed_ns) {
    return fail(ErrorCode::io, place,
                "was changed while it was read, by its change time (ctime), though it has its size "
                "and modification time",
                "Whoever writes to a file can set its modification time back. Renaming it, linking "
                "it or changing its mode looks the same: leave the input alone during a run.");
  }
  if (damaged()) return fail(ErrorCode::io, place, "cannot be read: the disk reported an error");
  return {};
}

}  // namespace thaw
