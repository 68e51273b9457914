// From a plan to its output: opens the sink, fills it, checks what was asked for, and finishes it.
#pragma once

#include "base/status.h"
#include "base/stop.h"
#include "execute/observer.h"
#include "io/file_system.h"
#include "prepare/options.h"
#include "prepare/prepare.h"
#include "prepare/report.h"

namespace thaw {

// Makes `files`: those of the plan, or of a part of it. Errors: those of convert() after the plan.
// Of the report all but the seconds. `announce` as there.
[[nodiscard]] Result<ConvertReport> fill_sink(const Prepared& prepared, const PlannedFiles& files,
                                              const ConvertOptions& options, Observer& observer,
                                              StopFlag& stop, FileSystem& file_system,
                                              const Announce& announce);

}  // namespace thaw
