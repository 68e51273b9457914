// The three lines before a conversion, and the three after it. specs/cli.md clause 3.6.
#pragma once

#include <string>

#include "prepare/options.h"
#include "prepare/report.h"

namespace thaw::app {

// What was found; what will be written and where; memory and disk. `out` as the user spelled it.
[[nodiscard]] std::string announcement(const PlanSummary& plan, const std::string& out);

// What was converted; what was read and written; what it took. Then the command that comes next,
// where there is one.
[[nodiscard]] std::string report_text(const ConvertReport& report, const ConvertOptions& options);

// "1.1 MB, 63.2 GB free", for the plan as well.
[[nodiscard]] std::string disk_text(const DiskSpace& disk);

// The command that checks or opens the output, ready for a shell; empty where none fits.
[[nodiscard]] std::string next_command(const ConvertReport& report, const ConvertOptions& options);

}  // namespace thaw::app
