#include "prepare/sample_rows.h"

#include <algorithm>
#include <utility>

namespace thaw {

namespace {

constexpr std::uint64_t kIdle = 4u << 20;

}  // namespace

SampleRows::SampleRows(Plan plan, const kernels::Table& table)
    : plan_(std::move(plan)),
      input_(plan_.inputs, kIdle, InputCache::ReadAhead::none),
      reader_(plan_, table, input_) {}

const PlannedTensor* SampleRows::find(std::string_view name) const {
  const PlannedTensor* tensor = plan_.find(name);
  return tensor != nullptr && tensor->dtype == Dtype::f32 ? tensor : nullptr;
}

Result<std::span<const float>> SampleRows::elements(const PlannedTensor& tensor,
                                                    std::uint64_t first, std::uint64_t count) {
  THAW_RETURN_IF_ERROR(reserve(values_, count * sizeof(float)));
  THAW_RETURN_IF_ERROR(reader_
                           .read(tensor, first * sizeof(float), count * sizeof(float), nullptr,
                                 space_, values_.data())
                           .take_status());
  return std::span(reinterpret_cast<const float*>(values_.data()), count);
}

std::uint64_t SampleRows::row_block(const PlannedTensor& tensor) const {
  std::uint64_t block = 1;
  for (const Segment& segment : plan_.segments_of(tensor)) {
    block = std::max<std::uint64_t>(block, segment.row_block);
  }
  return block;
}

}  // namespace thaw
