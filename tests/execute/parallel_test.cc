#include "execute/parallel.h"

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <vector>

namespace thaw {
namespace {

TEST_CASE("every part is made once, one at a time on each thread") {
  for (const unsigned threads : {1u, 2u, 7u}) {
    CAPTURE(threads);
    StopFlag stop;
    Parallel parallel(threads, stop, {});
    for (const std::uint64_t count : {0u, 1u, 5u, 1000u}) {
      std::vector<std::atomic<int>> made(count);
      std::vector<std::atomic<int>> busy(threads);
      std::atomic<bool> shared{false};
      const Status status = parallel.run(count, [&](unsigned worker, std::uint64_t index) {
        if (busy[worker].fetch_add(1) != 0) shared = true;
        ++made[index];
        --busy[worker];
        return Status();
      });
      CHECK(status.ok());
      CHECK_FALSE(shared);
      for (const std::atomic<int>& times : made) CHECK(times == 1);
    }
  }
}

TEST_CASE("the error of the lowest part is returned, whichever came first") {
  StopFlag stop;
  Parallel parallel(4, stop, {});
  const Status status = parallel.run(100, [](unsigned, std::uint64_t index) -> Status {
    if (index < 3) return {};
    return fail(ErrorCode::io, {}, "part " + std::to_string(index));
  });
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().messages.front() == "part 3");
}

TEST_CASE("a part that throws is an error, and a stop ends the run") {
  StopFlag stop;
  int ticks = 0;
  Parallel parallel(2, stop, [&] { ++ticks; });
  const Status thrown = parallel.run(
      1, [](unsigned, std::uint64_t) -> Status { throw std::runtime_error("broken"); });
  REQUIRE_FALSE(thrown.ok());
  CHECK(thrown.error().code == ErrorCode::bug);
  CHECK(ticks >= 1);
  std::atomic<std::uint64_t> made{0};
  const Status stopped = parallel.run(1'000'000, [&](unsigned, std::uint64_t) {
    if (++made == 10) stop.request(ErrorCode::interrupted);
    return Status();
  });
  REQUIRE_FALSE(stopped.ok());
  CHECK(stopped.error().code == ErrorCode::interrupted);
  CHECK(made < 1000);
}

}  // namespace
}  // namespace thaw
