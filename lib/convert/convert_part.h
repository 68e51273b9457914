// One of several runs that make one output, up to publishing it where it is the last.
// specs/parts.md.
#pragma once

#include "base/status.h"
#include "base/stop.h"
#include "execute/observer.h"
#include "io/file_system.h"
#include "prepare/options.h"
#include "prepare/prepare.h"
#include "prepare/report.h"

namespace thaw {

// `options.part` is set. While it runs the plan in `prepared` is that of the part. Errors: those of
// fill_sink().
[[nodiscard]] Result<ConvertReport> convert_part(const Prepared& prepared,
                                                 const ConvertOptions& options, Observer& observer,
                                                 StopFlag& stop, FileSystem& file_system,
                                                 const Announce& announce);

}  // namespace thaw
