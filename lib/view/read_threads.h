// The threads that make many rows at once, started when they are first wanted. A call that finds
// them busy does its work alone, so that calls never wait for each other. Private to lib/view.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "base/status.h"
#include "base/stop.h"
#include "execute/parallel.h"

namespace thaw {

// Thread-safe. A process that was forked starts threads of its own.
class ReadThreads {
 public:
  // `most`: 0: one a processor.
  explicit ReadThreads(unsigned most);
  ~ReadThreads();

  // Makes part 0 to count - 1, in any order. Errors: that of the lowest part that failed.
  [[nodiscard]] Status run(std::uint64_t count, const std::function<Status(std::uint64_t)>& part);

 private:
  const unsigned most_;
  std::mutex mutex_;  // held while they work
  StopFlag never_;
  std::int64_t process_ = 0;  // that started them
  std::unique_ptr<Parallel> threads_;
};

}  // namespace thaw
