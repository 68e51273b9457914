#include "io/sigbus.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <mutex>

namespace thaw {

struct SigbusGuard::Slot {
  std::atomic<bool> taken{false};
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::uintptr_t> end{0};  // 0: not guarded
  std::atomic<bool> damaged{false};
};

namespace {

constexpr std::size_t kMostRegions = 8192;

// A handler can reach nothing but globals; all of them are lock-free atomics.
std::array<SigbusGuard::Slot, kMostRegions> slots;
struct sigaction previous_action;
std::uintptr_t page_size = 4096;

void on_sigbus(int /*signal*/, siginfo_t* info, void* /*context*/) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (SigbusGuard::Slot& slot : slots) {
    const std::uintptr_t end = slot.end.load(std::memory_order_acquire);
    const std::uintptr_t begin = slot.begin.load(std::memory_order_relaxed);
    if (end == 0 || address < begin || address >= end) continue;
    const std::uintptr_t from = address / page_size * page_size;
    void* mapped = ::mmap(reinterpret_cast<void*>(from), end - from, PROT_READ,
                          MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    slot.damaged.store(true, std::memory_order_release);
    if (mapped != MAP_FAILED) return;
    break;
  }
  // Not ours: the access repeats under the old action, which ends the process as it would have.
  ::sigaction(SIGBUS, &previous_action, nullptr);
}

void install_handler() {
  page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action {};
  action.sa_sigaction = on_sigbus;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, &previous_action);
}

}  // namespace

SigbusGuard::SigbusGuard(const void* begin, std::size_t size) {
  static std::once_flag once;
  std::call_once(once, install_handler);
  for (Slot& slot : slots) {
    bool free = false;
    if (!slot.taken.compare_exchange_strong(free, true)) continue;
    slot.damaged.store(false, std::memory_order_relaxed);
    slot.begin.store(reinterpret_cast<std::uintptr_t>(begin), std::memory_order_relaxed);
    // Whole pages: a fault in the last, partial page is ours too.
    const std::uintptr_t end = reinterpret_cast<std::uintptr_t>(begin) + size;
    slot.end.store((end + page_size - 1) / page_size * page_size, std::memory_order_release);
    slot_ = &slot;
    return;
  }
}

SigbusGuard::~SigbusGuard() {
  if (slot_ == nullptr) return;
  slot_->end.store(0, std::memory_order_release);
  slot_->taken.store(false, std::memory_order_release);
}

bool SigbusGuard::damaged() const {
  return slot_ != nullptr && slot_->damaged.load(std::memory_order_acquire);
}

}  // namespace thaw
