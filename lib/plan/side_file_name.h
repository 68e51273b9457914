// What a side file is called in the output. Internal.
#pragma once

#include <string>

#include "plan/plan.h"

namespace thaw {

// The file's path below the directory that it is of, with '/'.
[[nodiscard]] std::string side_file_name(const PlanRequest& request, const MappedFile& file);

}  // namespace thaw
