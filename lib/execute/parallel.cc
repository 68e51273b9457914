#include "execute/parallel.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <new>
#include <utility>

namespace thaw {

namespace {

constexpr std::chrono::milliseconds kTick(100);

Status guarded(const Parallel::Part& part, unsigned worker, std::uint64_t index) {
  try {
    return part(worker, index);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::no_space, {}, "out of memory", "Try a smaller --memory.");
  } catch (const std::exception& exception) {
    return fail(ErrorCode::bug, {}, exception.what());
  }
}

}  // namespace

struct Parallel::Pool {
  explicit Pool(unsigned count) : threads(count) {}
  boost::asio::thread_pool threads;
};

// One call of run().
struct Parallel::Round {
  std::uint64_t count;
  const Part& part;
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::condition_variable changed;
  unsigned left;  // threads that are still at it
  std::uint64_t failed_index = std::numeric_limits<std::uint64_t>::max();
  Status error = {};

  void work(unsigned worker, const StopFlag& stop) {
    while (!failed && !stop.requested()) {
      const std::uint64_t index = next.fetch_add(1);
      if (index >= count) break;
      Status status = guarded(part, worker, index);
      if (status.ok()) continue;
      failed = true;
      const std::lock_guard lock(mutex);
      if (index >= failed_index) continue;
      failed_index = index;
      error = std::move(status);
    }
    const std::lock_guard lock(mutex);
    --left;
    changed.notify_all();
  }
};

Parallel::Parallel(unsigned threads, StopFlag& stop, Tick tick)
    : threads_(std::max(1u, threads)),
      stop_(stop),
      tick_(std::move(tick)),
      pool_(std::make_unique<Pool>(threads_)) {}

Parallel::~Parallel() { pool_->threads.join(); }

Status Parallel::run(std::uint64_t count, const Part& part) {
  const auto used = static_cast<unsigned>(std::min<std::uint64_t>(threads_, count));
  Round round{.count = count, .part = part, .mutex = {}, .changed = {}, .left = used};
  for (unsigned worker = 0; worker < used; ++worker) {
    boost::asio::post(pool_->threads, [this, &round, worker] { round.work(worker, stop_); });
  }
  std::unique_lock lock(round.mutex);
  while (!round.changed.wait_for(lock, kTick, [&round] { return round.left == 0; })) {
    lock.unlock();
    if (tick_) tick_();
    lock.lock();
  }
  lock.unlock();
  if (tick_) tick_();
  if (!round.error.ok()) return std::move(round.error);
  if (const std::optional<ErrorCode> reason = stop_.reason()) {
    return fail(*reason, {}, "stopped by a signal");
  }
  return {};
}

}  // namespace thaw
