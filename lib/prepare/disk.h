// The room that a conversion will ask its disk for. specs/output.md clause 7.5.
#pragma once

#include <optional>

#include "io/file_system.h"
#include "prepare/options.h"
#include "prepare/prepare.h"
#include "prepare/report.h"

namespace thaw {

// What the check of the sink will find, without writing: files that an interrupted run of the same
// plan has finished are not counted. Nothing for standard output, without OUT, and where the system
// does not tell.
[[nodiscard]] std::optional<DiskSpace> disk_space(const Prepared& prepared,
                                                  const PlannedFiles& files,
                                                  const ConvertOptions& options,
                                                  FileSystem& file_system);

}  // namespace thaw
