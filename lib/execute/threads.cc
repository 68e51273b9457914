#include "execute/threads.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <limits>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "base/text.h"

namespace thaw {

namespace {

constexpr std::chrono::milliseconds kTick(100);

std::atomic<unsigned> most_threads{std::numeric_limits<unsigned>::max()};

}  // namespace

struct Threads::State {
  std::mutex mutex;
  std::condition_variable begun;  // a round, or the end
  std::condition_variable done;   // a round
  std::uint64_t round = 0;
  const Body* body = nullptr;  // of the round
  unsigned used = 0;           // threads of the round
  unsigned left = 0;           // those that have not returned
  bool ended = false;
  std::vector<std::thread> threads;

  // The life of thread `index`.
  void serve(unsigned index) {
    std::unique_lock lock(mutex);
    for (std::uint64_t seen = 0;;) {
      begun.wait(lock, [&] { return ended || round != seen; });
      if (ended) return;
      seen = round;
      if (index >= used) continue;
      const Body& mine = *body;
      lock.unlock();
      mine(index);
      lock.lock();
      if (--left == 0) done.notify_all();
    }
  }
};

Threads::Threads(unsigned wanted) : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.threads.reserve(wanted);
  for (unsigned i = 0; i < wanted && i < most_threads; ++i) {
    try {
      state.threads.emplace_back([&state, i] { state.serve(i); });
    } catch (const std::system_error&) {
      break;  // EAGAIN: a limit is reached, or there is no address space for another stack
    } catch (const std::bad_alloc&) {
      break;
    }
  }
}

Threads::~Threads() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->ended = true;
  }
  state_->begun.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

unsigned Threads::count() const { return static_cast<unsigned>(state_->threads.size()); }

void Threads::run(unsigned used, const Body& body, const Tick& tick) {
  State& state = *state_;
  if (state.threads.empty()) {
    if (used != 0) body(0);
  } else {
    // Whatever a tick throws: the threads use what belongs to our caller until they have returned.
    std::exception_ptr thrown;
    std::unique_lock lock(state.mutex);
    state.body = &body;
    state.used = state.left = used;
    ++state.round;
    state.begun.notify_all();
    while (!state.done.wait_for(lock, kTick, [&state] { return state.left == 0; })) {
      lock.unlock();
      try {
        if (tick) tick();
      } catch (...) {
        thrown = std::current_exception();
      }
      lock.lock();
    }
    if (thrown) std::rethrow_exception(thrown);
  }
  if (tick) tick();
}

Status guarded(const std::function<Status()>& function) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::no_space, {}, "out of memory: the system gave no more to this process",
                "Try a smaller --memory, or raise the limit of address space (ulimit -v).");
  } catch (const std::exception& exception) {
    return fail(ErrorCode::bug, {}, printable(exception.what()));
  }
}

ThreadLimit::ThreadLimit(unsigned most) : before_(most_threads.exchange(most)) {}
ThreadLimit::~ThreadLimit() { most_threads = before_; }

}  // namespace thaw
