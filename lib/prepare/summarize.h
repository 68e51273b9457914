// What was prepared, as it is reported and announced.
#pragma once

#include "prepare/options.h"
#include "prepare/prepare.h"
#include "prepare/report.h"

namespace thaw {

// `options` are those that it was prepared with. No more than counting; DiskSpace is left out.
[[nodiscard]] PlanSummary summarize(const Prepared& prepared, const ConvertOptions& options);

}  // namespace thaw
