// Reads or makes whole files side by side, one thread and one recycled buffer each: checking what
// an earlier run has finished, hashing what was written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "base/status.h"
#include "base/stop.h"
#include "execute/observer.h"
#include "plan/memory.h"
#include "plan/plan.h"

namespace thaw {

// Called on any of the threads. `advance` takes the bytes done since the last call, for the
// observer; its error means that the run was stopped and is to be returned.
using FileWork = std::function<Status(std::uint32_t file, std::span<std::byte> buffer,
                                      const std::function<Status(std::uint64_t)>& advance)>;

// Calls `work` for each of `files` of the plan, on as many threads as `memory` has workers, or
// fewer where the system refuses some. Buffers are those of `memory`, which is not in use
// otherwise. The first error wins and ends the others; `stop` ends the run within a buffer.
[[nodiscard]] Status for_each_file(const PlannedFiles& plan, const MemoryPlan& memory,
                                   std::span<const std::uint32_t> files, std::string_view stage,
                                   const FileWork& work, Observer& observer, StopFlag& stop);

}  // namespace thaw
