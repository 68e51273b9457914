// Which bytes of the input a segment is made from.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "plan/plan.h"

namespace thaw {

struct InputRange {
  std::uint32_t input = 0;  // index into Plan::inputs
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

// One for each role of an operand, and one for the divisors. Absent ones have size 0. Not of woven
// segments.
using InputRanges = std::array<InputRange, kRoleCount + 1>;
[[nodiscard]] InputRanges input_ranges(const Plan& plan, const Segment& segment);

// Calls function(InputRange) for each range that is not empty; of a weave, for those of all its
// parts, whatever rows of it the segment has. The same ranges at each call.
template <typename Function>
void each_input_range(const Plan& plan, const Segment& segment, const Function& function) {
  const auto each = [&](const Segment& one) {
    for (const InputRange& range : input_ranges(plan, one)) {
      if (range.size != 0) function(range);
    }
  };
  if (segment.kind != SegmentKind::woven) return each(segment);
  for (const Segment& part : plan.weaves[segment.source].parts) each(part);
}
[[nodiscard]] std::uint64_t input_size_of(const Plan& plan, const Segment& segment);

// The activation scales that a segment is divided by, whole.
[[nodiscard]] InputRange divisor_range(const Plan& plan, const Segment& segment);

[[nodiscard]] std::uint64_t total_size(const InputRanges& ranges);

// Bytes of one line of `operand` that belong to out_features [first, last); both multiples of its
// block_rows, or last is the end. Only for operands whose columns are out_features.
struct ColumnRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};
[[nodiscard]] ColumnRange column_range(const PackedOperand& operand, std::uint64_t first,
                                       std::uint64_t last);

}  // namespace thaw
