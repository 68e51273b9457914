#include "io/paged_region.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>

#include "base/bytes.h"

namespace thaw {

struct PagedRegion::Slot {
  std::atomic<bool> taken{false};
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::uintptr_t> end{0};  // 0: no region
  std::atomic<std::uint64_t> size{0};  // of the file
  std::atomic<int> fd{-1};
  std::atomic<bool> damaged{false};
};

namespace {

constexpr std::size_t kMostRegions = 8192;
constexpr int kReserved = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

// A handler can reach nothing but globals; all of them are lock-free atomics.
std::array<PagedRegion::Slot, kMostRegions> slots;
struct sigaction previous_action;

// Reads [offset, offset + size) of the file; what it has not there stays as it is. Only system
// calls: it runs in a signal handler.
bool read_part(int fd, std::byte* to, std::uint64_t offset, std::uint64_t size) {
  for (std::uint64_t done = 0; done < size;) {
    const ssize_t got = ::pread(fd, to + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<std::uint64_t>(got);
  }
  return true;
}

// Puts the part with this address into its place, whole from one moment to the next: other threads
// may touch it too, and each may do this.
bool bring(PagedRegion::Slot& slot, std::uintptr_t address) {
  const std::uintptr_t begin = slot.begin.load(std::memory_order_relaxed);
  const std::uint64_t offset = round_down(address - begin, PagedRegion::kPart);
  const std::uint64_t size =
      std::min(PagedRegion::kPart, slot.size.load(std::memory_order_relaxed) - offset);
  void* const fresh = ::mmap(nullptr, PagedRegion::kPart, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (fresh == MAP_FAILED) return false;
  if (!read_part(slot.fd.load(std::memory_order_relaxed), static_cast<std::byte*>(fresh), offset,
                 size)) {
    slot.damaged.store(true, std::memory_order_release);
  }
  ::mprotect(fresh, PagedRegion::kPart, PROT_READ);
  return ::mremap(fresh, PagedRegion::kPart, PagedRegion::kPart, MREMAP_MAYMOVE | MREMAP_FIXED,
                  reinterpret_cast<void*>(begin + offset)) != MAP_FAILED;
}

void on_sigsegv(int /*signal*/, siginfo_t* info, void* /*context*/) {
  const int before = errno;
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (PagedRegion::Slot& slot : slots) {
    const std::uintptr_t end = slot.end.load(std::memory_order_acquire);
    const std::uintptr_t begin = slot.begin.load(std::memory_order_relaxed);
    if (end == 0 || address < begin || address >= end) continue;
    const bool there = bring(slot, address);
    errno = before;
    if (there) return;
    break;
  }
  // Not ours, or no memory is left: the access repeats under the old action, which ends the
  // process.
  ::sigaction(SIGSEGV, &previous_action, nullptr);
}

// Again where somebody else has set an action since (a crash reporter, a test program).
void install_handler() {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  struct sigaction now {};
  const bool known = ::sigaction(SIGSEGV, nullptr, &now) == 0;
  if (known && (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_sigsegv) return;
  struct sigaction action {};
  action.sa_sigaction = on_sigsegv;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGSEGV, &action, &previous_action);
}

}  // namespace

std::unique_ptr<PagedRegion> PagedRegion::create(int fd, std::uint64_t size) {
  install_handler();
  const std::uint64_t reserved = round_up(size, kPart);
  void* const begin =
      ::mmap(nullptr, static_cast<std::size_t>(reserved), PROT_NONE, kReserved, -1, 0);
  if (begin == MAP_FAILED) return nullptr;
  for (Slot& slot : slots) {
    bool free = false;
    if (!slot.taken.compare_exchange_strong(free, true)) continue;
    slot.damaged.store(false, std::memory_order_relaxed);
    slot.fd.store(fd, std::memory_order_relaxed);
    slot.size.store(size, std::memory_order_relaxed);
    const auto address = reinterpret_cast<std::uintptr_t>(begin);
    slot.begin.store(address, std::memory_order_relaxed);
    slot.end.store(address + reserved, std::memory_order_release);
    return std::unique_ptr<PagedRegion>(
        new PagedRegion(static_cast<std::byte*>(begin), size, reserved, &slot));
  }
  ::munmap(begin, static_cast<std::size_t>(reserved));
  errno = EMFILE;
  return nullptr;
}

PagedRegion::~PagedRegion() {
  slot_->end.store(0, std::memory_order_release);
  slot_->taken.store(false, std::memory_order_release);
  ::munmap(begin_, static_cast<std::size_t>(reserved_));
}

bool PagedRegion::damaged() const { return slot_->damaged.load(std::memory_order_acquire); }

void PagedRegion::drop(std::uint64_t offset, std::uint64_t size) const {
  const std::uint64_t first = round_up(offset, kPart);
  const bool to_end = offset + size >= size_;
  const std::uint64_t last = to_end ? reserved_ : round_down(offset + size, kPart);
  if (first >= last) return;
  // The call itself: ThreadSanitizer takes the library's mmap for a write to what others read. What
  // they touch next comes again, the same.
  ::syscall(SYS_mmap, begin_ + first, static_cast<std::size_t>(last - first), PROT_NONE,
            kReserved | MAP_FIXED, -1, off_t{0});
}

}  // namespace thaw
