#include "checkpoint/coverage.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "base/text.h"

namespace thaw {

namespace {

std::string range_text(const Tensor& tensor, std::uint64_t data_begin) {
  std::string text = "[";
  text += std::to_string(tensor.begin - data_begin);
  text += ", ";
  text += std::to_string(tensor.end - data_begin);
  return text + "]";
}

}  // namespace

void check_coverage(std::string_view path, std::span<const Tensor> tensors,
                    std::uint64_t data_begin, std::uint64_t data_end, ErrorList& errors) {
  std::vector<std::uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0u);
  // By end too, so that an empty tensor comes before the one that begins where it stands.
  std::sort(order.begin(), order.end(), [&](std::uint32_t i, std::uint32_t j) {
    const Tensor& a = tensors[i];
    const Tensor& b = tensors[j];
    if (a.begin != b.begin) return a.begin < b.begin;
    return a.end != b.end ? a.end < b.end : i < j;
  });
  std::uint64_t covered = data_begin;
  const Tensor* last = nullptr;  // the tensor that ends at `covered`
  for (const std::uint32_t i : order) {
    const Tensor& tensor = tensors[i];
    const Place place{.file = path, .tensor = tensor.name};
    const std::string got = range_text(tensor, data_begin);
    const std::string next = std::to_string(covered - data_begin);
    if (tensor.begin < covered) {
      errors.add(fail(ErrorCode::input, place,
                      "data_offsets overlap those of " + printable(last->name), got,
                      "a begin of " + next + " or more"));
    } else if (tensor.begin > covered) {
      errors.add(fail(ErrorCode::input, place,
                      "data_offsets leave a hole of " + std::to_string(tensor.begin - covered) +
                          " bytes that belong to no tensor",
                      got, "a begin of " + next));
    }
    if (tensor.end >= covered) {
      covered = tensor.end;
      last = &tensor;
    }
  }
  if (covered != data_end) {
    errors.add(fail(ErrorCode::input, {.file = path, .tensor = {}},
                    "the data goes on behind the last tensor",
                    std::to_string(data_end - data_begin) + " bytes of data",
                    std::to_string(covered - data_begin)));
  }
}

}  // namespace thaw
