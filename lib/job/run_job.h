// One job from its plan to its hooks. Private to lib/job.
#pragma once

#include <functional>

#include "job/queue.h"

namespace thaw {

// `options` are the job's with its share of memory and threads. Calls the observer; the caller sees
// to it that one thread does at a time.
[[nodiscard]] JobResult run_job(const QueuedJob& queued, const ConvertOptions& options,
                                QueueObserver& observer, StopFlag& stop, FileSystem& file_system);

// The same for a place of the queue whose file gives no job.
[[nodiscard]] JobResult refuse_job(const QueuedJob& queued, QueueObserver& observer,
                                   FileSystem& file_system);

}  // namespace thaw
