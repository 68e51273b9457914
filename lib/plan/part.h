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

// The part, from 1, that each file of the plan belongs to: a pure function of the files' sizes and
// of `parts`. A part may have no file.
[[nodiscard]] std::vector<unsigned> split_files(const Plan& plan, unsigned parts);

// While it lives, the plan has the files of one part only, and counts only those. Nothing is
// copied: the others wait here.
class PlanPart {
 public:
  PlanPart(Plan& plan, Part part);
  PlanPart(const PlanPart&) = delete;
  PlanPart& operator=(const PlanPart&) = delete;
  ~PlanPart();

 private:
  Plan& plan_;
  std::vector<PlannedFile> files_;  // all of them; those of the part are moved away
  std::vector<std::size_t> mine_;
  std::uint64_t bytes_;
  std::uint64_t tensors_;
};

}  // namespace thaw
