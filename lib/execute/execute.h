// Runs a plan: a reader that brings input in, workers that make pieces, writers that hand them to
// the sink, and the calling thread that tells how far it is. Its threads are those of threads.h.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/stop.h"
#include "execute/observer.h"
#include "kernels/kernels.h"
#include "plan/memory.h"
#include "plan/plan.h"
#include "sink/sink.h"

namespace thaw {

struct ExecuteOptions {
  bool allow_overflow = false;
};

struct ExecuteReport {
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t files_kept = 0;  // that the sink had already
  std::uint64_t bytes_kept = 0;
  // Tensors with finite values that became infinite, and how many; sorted by name.
  std::vector<std::pair<std::string, std::uint64_t>> overflows;
};

// Gives the sink every byte of `files`, which are of `plan` (all of them, or those of a part), that
// it has not; does not finish or abandon it. Returns when all threads have ended, whatever
// happened. The first error wins; `stop` ends the run within a piece. Where the system refuses
// threads there are fewer workers and writers than `memory` says; without one of each kind it is
// ErrorCode::no_space.
[[nodiscard]] Result<ExecuteReport> execute(const Plan& plan, const PlannedFiles& files,
                                            const MemoryPlan& memory, const kernels::Table& table,
                                            Sink& sink, const ExecuteOptions& options,
                                            Observer& observer, StopFlag& stop);

}  // namespace thaw
