// The library's threads: every one is started here. The system may refuse any of them (a limit of
// processes, of address space, of memory); the work then goes on with fewer, and its bytes are the
// same. specs/memory.md clause 10.
#pragma once

#include <functional>
#include <memory>

#include "base/status.h"

namespace thaw {

// Owns its threads, which sleep until there is work. Used by one thread at a time.
class Threads {
 public:
  // The work of one thread, `index` of 0 to used - 1. Must not throw: see guarded().
  using Body = std::function<void(unsigned index)>;
  // Called about ten times a second while run() waits, and once at its end, on the thread that
  // called it.
  using Tick = std::function<void()>;

  // Asks for `wanted` threads and keeps those that the system gives: fewer, or none.
  explicit Threads(unsigned wanted);
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads();  // joins them

  [[nodiscard]] unsigned count() const;

  // Runs body(0) to body(used - 1), each on a thread of its own, and returns when all have
  // returned. `used` is at most count(). Where count() is 0 it may be 1, and the body then runs on
  // the calling thread, which ticks at the end only.
  void run(unsigned used, const Body& body, const Tick& tick);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What `function` returns, or an Error of what it throws: no memory is ErrorCode::no_space, all
// else a bug.
[[nodiscard]] Status guarded(const std::function<Status()>& function);

// For tests: while one lives, the system seems to refuse every thread beyond the first `most` of
// each Threads that is made.
class ThreadLimit {
 public:
  explicit ThreadLimit(unsigned most);
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;
  ~ThreadLimit();

 private:
  unsigned before_;
};

}  // namespace thaw
