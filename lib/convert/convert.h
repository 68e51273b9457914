// The conversion: a quantized checkpoint in, a float checkpoint out.
#pragma once

#include <cstdint>

#include "base/status.h"
#include "base/stop.h"
#include "execute/observer.h"
#include "io/file_system.h"
#include "prepare/options.h"
#include "prepare/report.h"

namespace thaw {

// Does everything up to and including the plan; reads headers, configs and scales, writes nothing.
[[nodiscard]] Result<PlanSummary> plan_conversion(const ConvertOptions& options,
                                                  FileSystem& file_system);

// Converts. On an error, or when `stop` is requested, nothing stands at options.out that was not
// there before. The observer is called on the calling thread only.
[[nodiscard]] Result<ConvertReport> convert(const ConvertOptions& options, Observer& observer,
                                            StopFlag& stop, FileSystem& file_system,
                                            const Announce& announce = {});

}  // namespace thaw
