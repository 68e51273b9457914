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

// One for each role of an operand, and one for the divisors. Absent ones have size 0.
using InputRanges = std::array<InputRange, kRoleCount + 1>;
[[nodiscard]] InputRanges input_ranges(const Plan& plan, const Segment& segment);

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
