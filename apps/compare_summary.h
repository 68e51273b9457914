// A comparison as text for people and as JSON.
#pragma once

#include <string>

#include "compare/compare.h"
#include "json_out.h"

namespace thaw::app {

[[nodiscard]] std::string compare_text(const CompareReport& report, std::size_t width = 0);
[[nodiscard]] std::string compare_json(const CompareReport& report);

// Members of a JSON object: those of compare_json() that are about the whole, and `histograms` of
// the first so many tensors. For the page, whose table has the rest.
void add_comparison(JsonOut& out, const CompareReport& report, std::size_t histograms);

}  // namespace thaw::app
