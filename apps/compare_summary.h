// A comparison as text for people and as JSON.
#pragma once

#include <string>

#include "convert/compare.h"

namespace thaw::app {

[[nodiscard]] std::string compare_text(const CompareReport& report);
[[nodiscard]] std::string compare_json(const CompareReport& report);

}  // namespace thaw::app
