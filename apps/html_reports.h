// The pages of --html. specs/reports.md.
#pragma once

#include <optional>
#include <string>

#include "base/status.h"
#include "compare/compare.h"
#include "compare/inspect.h"

namespace thaw::app {

// `fail_above`: of --fail-above, where it is given. Errors: as of page_html().
[[nodiscard]] Result<std::string> compare_html(const CompareReport& report,
                                               std::optional<double> fail_above);
[[nodiscard]] Result<std::string> inspection_html(const Inspection& inspection);

}  // namespace thaw::app
