// What travels with the weights and what stays behind. specs/checkpoint.md clause 4. Internal.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"

namespace thaw {

struct SideFiles {
  std::vector<SideFile> carried;  // sorted by name
  std::vector<std::string> left;  // sorted
};

// `own`: the files at the top of the directory that make up the checkpoint itself.
[[nodiscard]] Result<SideFiles> collect_side_files(const std::string& directory,
                                                   const std::set<std::string, std::less<>>& own);

}  // namespace thaw
