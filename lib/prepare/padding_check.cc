#include "prepare/padding_check.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace thaw {

namespace {

constexpr std::uint64_t kMostElements = 2u << 20;  // that are looked at together

// Which rows (axis 0) or columns hold a value that is not zero.
Result<std::vector<bool>> find_used(const PlannedTensor& weight, bool rows, SampleRows& reader) {
  const std::uint64_t count = weight.shape[0];
  const std::uint64_t columns = weight.shape[1];
  std::vector<bool> used(rows ? count : columns);
  const std::uint64_t step =
      round_up(std::max<std::uint64_t>(1, kMostElements / columns), reader.row_block(weight));
  for (std::uint64_t first = 0; first < count; first += step) {
    const std::uint64_t here = std::min(step, count - first);
    THAW_ASSIGN_OR_RETURN(const std::span<const float> values,
                          reader.elements(weight, first * columns, here * columns));
    for (std::uint64_t i = 0; i < values.size(); ++i) {
      if (values[i] != 0) used[rows ? first + i / columns : i % columns] = true;
    }
  }
  return used;
}

}  // namespace

Result<std::string> describe_padding(const PaddedModule& module, SampleRows& reader) {
  if (module.linear == nullptr || module.base_shape.size() != 2) return std::string();
  const PlannedTensor* weight = reader.find(std::string(module.linear->module) + ".weight");
  if (weight == nullptr || weight->shape.size() != 2) return std::string();
  const bool rows = module.axis == 0;
  THAW_ASSIGN_OR_RETURN(const std::vector<bool> used, find_used(*weight, rows, reader));
  const auto zeros = static_cast<std::uint64_t>(std::count(used.begin(), used.end(), false));
  const std::string lines = rows ? " rows" : " columns";
  if (zeros != module.added()) {
    return std::to_string(zeros) + " of its " + std::to_string(used.size()) + lines +
           " hold zeros only, so that it is no padding with " + std::to_string(module.added()) +
           lines + " of zeros";
  }
  const auto end = used.begin() + static_cast<std::ptrdiff_t>(module.base_shape[module.axis]);
  if (std::find(end, used.end(), true) == used.end()) {
    return "its last " + std::to_string(zeros) + lines + " hold zeros only";
  }
  const auto first = std::find(used.begin(), used.end(), false) - used.begin();
  return std::to_string(zeros) + " of its" + lines + " hold zeros only, between the others from" +
         (rows ? " row " : " column ") + std::to_string(first) + " on";
}

}  // namespace thaw
