// Plans, reports and inspections as text for people and as JSON.
#pragma once

#include <string>
#include <vector>

#include "convert/inspect.h"
#include "convert/report.h"
#include "json_out.h"

namespace thaw::app {

[[nodiscard]] std::string plan_text(const PlanSummary& plan);
[[nodiscard]] std::string plan_json(const PlanSummary& plan);

// The first names in one line, the rest as a number.
[[nodiscard]] std::string listed_names(const std::vector<std::string>& names);

// "2 of 3: 5 files, 1.2 GB".
[[nodiscard]] std::string part_value(const PartSummary& part);

[[nodiscard]] std::string report_json(const ConvertReport& report);
// One line, {"event": "done", ...}, for --progress json.
[[nodiscard]] std::string done_line(const ConvertReport& report);

[[nodiscard]] std::string inspection_text(const Inspection& inspection);
[[nodiscard]] std::string inspection_json(const Inspection& inspection);
// The members of inspection_json() but for `tensors`. For the page, whose table has them.
void add_inspection(JsonOut& out, const Inspection& inspection);

}  // namespace thaw::app
