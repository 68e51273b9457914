#include "execute/threads.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "execute/each_file.h"
#include "execute/parallel.h"
#include "support/planned_model.h"

namespace thaw {
namespace {

class Quiet final : public Observer {
 public:
  void on_progress(const Progress& /*progress*/) override {}
};

TEST_CASE("each body runs on a thread of its own, again and again") {
  Threads threads(4);
  REQUIRE(threads.count() == 4);
  std::mutex mutex;
  std::set<std::thread::id> all;
  int ticks = 0;
  for (const unsigned used : {4u, 1u, 0u, 3u, 4u}) {
    std::vector<int> ran(4);
    std::set<std::thread::id> ids;
    threads.run(
        used,
        [&](unsigned index) {
          const std::lock_guard lock(mutex);
          ++ran[index];
          ids.insert(std::this_thread::get_id());
        },
        [&] { ++ticks; });
    for (unsigned i = 0; i < 4; ++i) CHECK(ran[i] == (i < used ? 1 : 0));
    CHECK(ids.size() == used);
    CHECK(ids.count(std::this_thread::get_id()) == 0);
    all.insert(ids.begin(), ids.end());
  }
  CHECK(all.size() == 4);
  CHECK(ticks >= 5);
}

TEST_CASE("run() ticks while it waits, and a tick that throws leaves no thread behind") {
  Threads threads(2);
  std::atomic<int> ticks{0};
  threads.run(
      2,
      [&](unsigned) {
        while (ticks < 2) std::this_thread::yield();
      },
      [&] { ++ticks; });
  CHECK(ticks >= 3);
  std::atomic<bool> thrown{false};
  std::atomic<int> returned{0};
  const auto run = [&] {
    threads.run(
        2,
        [&](unsigned) {
          while (!thrown) std::this_thread::yield();
          ++returned;
        },
        [&] {
          thrown = true;
          throw std::runtime_error("broken");
        });
  };
  CHECK_THROWS_AS(run(), std::runtime_error);
  CHECK(returned == 2);
}

TEST_CASE("a system that gives fewer threads, or none, is no error") {
  for (unsigned most = 0; most <= 5; ++most) {
    CAPTURE(most);
    const ThreadLimit limit(most);
    Threads threads(4);
    CHECK(threads.count() == std::min(most, 4u));
    std::atomic<int> ran{0};
    threads.run(std::max(1u, threads.count()), [&](unsigned) { ++ran; }, {});
    CHECK(ran == static_cast<int>(std::max(1u, std::min(most, 4u))));
  }
}

TEST_CASE("parts are made with as few threads as there are, by the caller where there is none") {
  for (const unsigned most : {0u, 1u, 2u, 9u}) {
    CAPTURE(most);
    const ThreadLimit limit(most);
    StopFlag stop;
    int ticks = 0;
    Parallel parallel(3, stop, [&] { ++ticks; });
    CHECK(parallel.threads() == std::clamp(most, 1u, 3u));
    std::vector<std::atomic<int>> made(50);
    std::atomic<unsigned> highest{0};
    const Status status = parallel.run(made.size(), [&](unsigned worker, std::uint64_t index) {
      unsigned seen = highest;
      while (worker > seen && !highest.compare_exchange_weak(seen, worker)) {
      }
      ++made[index];
      return Status();
    });
    CHECK(status.ok());
    CHECK(highest < parallel.threads());
    for (const std::atomic<int>& times : made) CHECK(times == 1);
    CHECK(ticks >= 1);
    // Who works alone looks between two parts whether it is to stop.
    const Status stopped = parallel.run(1'000'000, [&](unsigned, std::uint64_t index) {
      if (index == 10) stop.request(ErrorCode::terminated);
      return Status();
    });
    REQUIRE_FALSE(stopped.ok());
    CHECK(stopped.error().code == ErrorCode::terminated);
  }
}

TEST_CASE("no memory is code 6 wherever it is missed, and anything else is a bug") {
  const auto no_memory = []() -> Status { throw std::bad_alloc(); };
  CHECK(guarded(no_memory).error().code == ErrorCode::no_space);
  CHECK(guarded([]() -> Status { throw std::runtime_error("broken"); }).error().code ==
        ErrorCode::bug);
  CHECK(guarded([] { return Status(); }).ok());
  StopFlag stop;
  Parallel parallel(2, stop, {});
  const Status part = parallel.run(1, [&](unsigned, std::uint64_t) { return no_memory(); });
  REQUIRE_FALSE(part.ok());
  CHECK(part.error().code == ErrorCode::no_space);

  const testing::PlannedModel model(testing::toy_tensors());
  const std::vector<std::uint32_t> files = {0, 1};
  Quiet observer;
  const Status pass = for_each_file(
      model.plan, model.memory(256'000'000, 2), files, "reading",
      [&](std::uint32_t, std::span<std::byte>, const std::function<Status(std::uint64_t)>&) {
        return no_memory();
      },
      observer, stop);
  REQUIRE_FALSE(pass.ok());
  CHECK(pass.error().code == ErrorCode::no_space);
}

TEST_CASE("whole files are taken by as few threads as there are, and the first error is told") {
  const testing::PlannedModel model(testing::toy_tensors());
  const std::vector<std::uint32_t> files = {0, 1, 2, 3};
  for (const unsigned most : {0u, 1u, 3u}) {
    CAPTURE(most);
    const ThreadLimit limit(most);
    Quiet observer;
    StopFlag stop;
    std::vector<std::atomic<int>> taken(files.size());
    const MemoryPlan memory = model.memory(256'000'000, 3);
    const auto take = [&](std::uint32_t file, std::span<std::byte> buffer,
                          const std::function<Status(std::uint64_t)>& advance) {
      CHECK_FALSE(buffer.empty());
      ++taken[file];
      return advance(1);
    };
    CHECK(for_each_file(model.plan, memory, files, "reading", take, observer, stop).ok());
    for (const std::atomic<int>& times : taken) CHECK(times == 1);
    // Those that the error ends have one of their own, and a lower number perhaps.
    const auto fails = [&](std::uint32_t file, std::span<std::byte>,
                           const std::function<Status(std::uint64_t)>& advance) -> Status {
      if (file == 1) return fail(ErrorCode::io, {}, "broke");
      for (int i = 0; i < 2000; ++i) {
        THAW_RETURN_IF_ERROR(advance(0));
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      }
      return {};
    };
    const Status failed =
        for_each_file(model.plan, memory, files, "reading", fails, observer, stop);
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.error().text() == "broke");
  }
}

}  // namespace
}  // namespace thaw
