// Work that is cut into numbered parts and shared by a few threads, for what reads and writes no
// output: checks and comparisons. Conversions run in execute.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/status.h"
#include "base/stop.h"

namespace thaw {

class Parallel {
 public:
  // Makes part `index`, on thread `worker` of 0 to threads() - 1, which does one part at a time.
  using Part = std::function<Status(unsigned worker, std::uint64_t index)>;

  // Called about ten times a second by run(), on the thread that called it.
  using Tick = std::function<void()>;

  // `stop` must outlive this.
  Parallel(unsigned threads, StopFlag& stop, Tick tick);
  Parallel(const Parallel&) = delete;
  Parallel& operator=(const Parallel&) = delete;
  ~Parallel();

  [[nodiscard]] unsigned threads() const { return threads_; }

  // Every index in [0, count) once; they are taken in order. Returns when no part is under way.
  // After an error no new part is begun, and the error of the lowest index is returned, so that
  // it does not depend on the threads. A part that throws is an error too.
  [[nodiscard]] Status run(std::uint64_t count, const Part& part);

 private:
  struct Round;
  struct Pool;
  unsigned threads_;
  StopFlag& stop_;
  Tick tick_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace thaw
