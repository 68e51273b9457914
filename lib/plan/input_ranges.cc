#include "plan/input_ranges.h"

#include <algorithm>

#include "base/bytes.h"

namespace thaw {

namespace {

InputRange range_of(const PackedOperand& operand, std::uint64_t first, std::uint64_t last) {
  if (operand.tensor == nullptr) return {};
  const Tensor& tensor = *operand.tensor;
  if (operand.out_features_per_line == 0) {
    // Columns: some bytes of every line, so nearly every page of the tensor. Or all of it.
    return {tensor.shard, tensor.begin, tensor.size()};
  }
  const std::uint64_t first_line = first / operand.out_features_per_line;
  const std::uint64_t end_line = divide_up(last, operand.out_features_per_line);
  return {tensor.shard, tensor.begin + first_line * operand.pitch,
          (end_line - first_line) * operand.pitch};
}

}  // namespace

InputRange divisor_range(const Plan& plan, const Segment& segment) {
  if (segment.divisor == 0) return {};
  const Tensor& scales = *plan.divisors[segment.divisor - 1].scales;
  return {scales.shard, scales.begin, scales.size()};
}

InputRanges input_ranges(const Plan& plan, const Segment& segment) {
  InputRanges ranges;
  switch (segment.kind) {
    case SegmentKind::literal:
    case SegmentKind::woven:  // of its parts
      break;
    case SegmentKind::copy:
    case SegmentKind::cast:
      ranges[0] = {segment.source, segment.begin, segment.input_size()};
      break;
    case SegmentKind::tile: {
      const QuantizedLinear& linear = *plan.linears[segment.source];
      const std::uint64_t last = segment.begin + segment.size / segment.row_bytes;
      std::size_t i = 0;
      for (const PackedOperand& operand : linear.operands) {
        ranges[i++] = range_of(operand, segment.begin, last);
      }
      break;
    }
  }
  ranges.back() = divisor_range(plan, segment);
  return ranges;
}

std::uint64_t input_size_of(const Plan& plan, const Segment& segment) {
  std::uint64_t size = 0;
  each_input_range(plan, segment, [&](const InputRange& range) { size += range.size; });
  return size;
}

std::uint64_t total_size(const InputRanges& ranges) {
  std::uint64_t size = 0;
  for (const InputRange& range : ranges) size += range.size;
  return size;
}

ColumnRange column_range(const PackedOperand& operand, std::uint64_t first, std::uint64_t last) {
  if (operand.block_bytes == 0) return {0, operand.pitch};  // all of it, for any of them
  return {first / operand.block_rows * operand.block_bytes,
          std::min(divide_up(last, operand.block_rows) * operand.block_bytes, operand.pitch)};
}

}  // namespace thaw
