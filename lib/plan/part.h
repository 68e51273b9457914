// Some of a plan's files, so that several machines make one output. specs/parts.md clause 2.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/plan.h"

namespace thaw {

constexpr unsigned kMostParts = 10'000;

struct Part {
  unsigned index = 1;  // from 1 to count
  unsigned count = 1;
  friend bool operator==(const Part&, const Part&) = default;
};

// The part, from 1, that each of the files belongs to: a pure function of the files' sizes and
// of `parts`. A part may have no file.
[[nodiscard]] std::vector<unsigned> split_files(const PlannedFiles& files, unsigned parts);

// The files of one part, which borrow from the plan.
[[nodiscard]] PlannedFiles files_of_part(const PlannedFiles& plan, Part part);

}  // namespace thaw
