#include "execute/parallel.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

namespace thaw {

// One call of run().
struct Parallel::Round {
  std::uint64_t count;
  const Part& part;
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;  // of what follows
  std::uint64_t failed_index = std::numeric_limits<std::uint64_t>::max();
  Status error = {};

  // Makes the next part; false when there is none, or none may be begun any more.
  bool make_next(unsigned worker, const StopFlag& stop) {
    if (failed || stop.requested()) return false;
    const std::uint64_t index = next.fetch_add(1);
    if (index >= count) return false;
    Status status = guarded([&] { return part(worker, index); });
    if (status.ok()) return true;
    failed = true;
    const std::lock_guard lock(mutex);
    if (index < failed_index) {
      failed_index = index;
      error = std::move(status);
    }
    return false;
  }
};

Parallel::Parallel(unsigned threads, StopFlag& stop, Tick tick)
    : threads_(std::max(1u, threads)), stop_(stop), tick_(std::move(tick)) {}

unsigned Parallel::threads() const { return std::max(1u, threads_.count()); }

Status Parallel::run(std::uint64_t count, const Part& part) {
  Round round{.count = count, .part = part, .mutex = {}};
  const bool alone = threads_.count() == 0;
  threads_.run(
      static_cast<unsigned>(std::min<std::uint64_t>(threads(), count)),
      [&](unsigned worker) {
        while (round.make_next(worker, stop_)) {
          if (alone && tick_) tick_();
        }
      },
      tick_);
  if (!round.error.ok()) return std::move(round.error);
  if (const std::optional<ErrorCode> reason = stop_.reason()) {
    return fail(*reason, {}, "stopped by a signal");
  }
  return {};
}

}  // namespace thaw
