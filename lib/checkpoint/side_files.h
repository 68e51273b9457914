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
  std::vector<SideFile> carried;      // sorted by name
  std::vector<SideFile> adapters;     // sorted by name; among `left` too
  std::vector<std::string> left;      // sorted
  std::vector<std::string> pointers;  // of `carried`: those that Git LFS has not fetched
};

// `own`: the files at the top of the directory that make up the checkpoint itself; `stale`: weights
// there that stay behind whatever their names are.
[[nodiscard]] Result<SideFiles> collect_side_files(FileSystem& file_system,
                                                   const std::string& directory,
                                                   const std::set<std::string, std::less<>>& own,
                                                   const std::set<std::string, std::less<>>& stale);

}  // namespace thaw
