#include "verify/output_parts.h"

#include <algorithm>

namespace thaw {

std::vector<std::vector<OutputPart>> output_parts(const Plan& plan) {
  std::vector<std::vector<OutputPart>> all;
  for (const PlannedFile& file : plan.files) all.push_back({{0, file.size, {}}});
  for (const PlannedTensor& tensor : plan.tensors) {
    if (tensor.size == 0) continue;
    all[tensor.file].push_back({tensor.offset, tensor.offset + tensor.size, tensor.name});
  }
  for (std::vector<OutputPart>& parts : all) {
    if (parts.size() == 1) continue;
    std::sort(parts.begin() + 1, parts.end(),
              [](const OutputPart& a, const OutputPart& b) { return a.begin < b.begin; });
    parts[0].end = parts[1].begin;
  }
  return all;
}

}  // namespace thaw
