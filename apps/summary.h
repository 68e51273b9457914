// Plans, reports and inspections as text for people and as JSON.
#pragma once

#include <string>
#include <vector>

#include "compare/inspect.h"
#include "json_out.h"
#include "prepare/report.h"

namespace thaw::app {

// `width` is that of the window, 0 where there is none: tables are no wider (TableFit).
[[nodiscard]] std::string plan_text(const PlanSummary& plan, std::size_t width = 0);
[[nodiscard]] std::string plan_json(const PlanSummary& plan);

// The first names in one line, the rest as a number.
[[nodiscard]] std::string listed_names(const std::vector<std::string>& names);

// "2 of 3: 5 files, 1.2 GB".
[[nodiscard]] std::string part_value(const PartSummary& part);

[[nodiscard]] std::string report_json(const ConvertReport& report);
// One line, {"event": "done", ...}, for --progress json.
[[nodiscard]] std::string done_line(const ConvertReport& report);

struct InspectionView {
  std::size_t width = 0;  // as of plan_text
  bool details = false;  // why each group of linears was recognised, with the shapes of its tensors
};
[[nodiscard]] std::string inspection_text(const Inspection& inspection, const InspectionView& view);
[[nodiscard]] std::string inspection_json(const Inspection& inspection);
// The members of inspection_json() but for `tensors`. For the page, whose table has them.
void add_inspection(JsonOut& out, const Inspection& inspection);

}  // namespace thaw::app
