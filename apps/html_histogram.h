// The differences of one tensor as a picture, a sentence and a table. specs/reports.md clause 6.
#pragma once

#include <string>

#include "compare/compare.h"

namespace thaw::app {

// A <figure>.
[[nodiscard]] std::string histogram_html(const TensorComparison& tensor);

}  // namespace thaw::app
