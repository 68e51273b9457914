// Work that is cut into numbered parts and shared by a few threads: checks, comparisons, whole
// files. Conversions run in execute.h.
#pragma once

#include <cstdint>
#include <functional>

#include "base/status.h"
#include "base/stop.h"
#include "execute/threads.h"

namespace thaw {

class Parallel {
 public:
  // Makes part `index`, on thread `worker` of 0 to threads() - 1, which does one part at a time.
  using Part = std::function<Status(unsigned worker, std::uint64_t index)>;

  // Called about ten times a second by run(), on the thread that called it.
  using Tick = Threads::Tick;

  // `stop` must outlive this.
  Parallel(unsigned threads, StopFlag& stop, Tick tick);

  // How many do the work: as many as were asked for, fewer where the system refused some, and 1
  // where it refused all: then it is the thread that calls run(), which ticks between parts.
  [[nodiscard]] unsigned threads() const;

  // Every index in [0, count) once; they are taken in order. Returns when no part is under way.
  // After an error no new part is begun, and the error of the lowest index is returned, so that
  // it does not depend on the threads. A part that throws is an error too.
  [[nodiscard]] Status run(std::uint64_t count, const Part& part);

 private:
  struct Round;
  Threads threads_;
  StopFlag& stop_;
  Tick tick_;
};

}  // namespace thaw
