// modelopt_int4, signed codes of 4 bits of ModelOpt's W4A16_AWQ: a byte has the codes of two rows,
// the first in its low half; code * scale of its group * factor of its column
// (specs/modelopt_int4.md). Plain C++ on every instruction set.
#pragma once

#include "kernels/layouts-inl.h"

namespace thaw::kernels {
namespace {

struct PairedRows {
  static constexpr LayoutId kId = LayoutId::modelopt_int4;
  static constexpr std::uint32_t kRowBlock = 2;

  explicit PairedRows(const PackedLinear& linear)
      : linear_(linear),
        columns_(static_cast<const unsigned char*>(linear[Role::global_scale].data)) {}

  [[nodiscard]] int code(std::uint64_t row, std::uint64_t k) const {
    const unsigned byte = line(linear_[Role::codes], row / 2)[k];
    return static_cast<int>((byte >> (row % 2 * 4) & 15u) ^ 8u) - 8;
  }
  [[nodiscard]] double scale(std::uint64_t row, std::uint64_t group) const {
    const unsigned char* from =
        line(linear_[Role::scales], row) + group * size_of(linear_.scale_type);
    return static_cast<double>(load_float(from, linear_.scale_type));
  }
  [[nodiscard]] double factor(std::uint64_t k) const {
    if (columns_ == nullptr) return 1;
    const FloatType type = linear_.column_type;
    return static_cast<double>(load_float(columns_ + k * size_of(type), type));
  }

 private:
  const PackedLinear& linear_;
  const unsigned char* columns_;
};

// A product of 4, 24 and 24 bits is exact in double, in whatever order.
template <class Isa, Target kTarget>
void paired_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                 void* out, const OutputFormat&) {
  const PairedRows rows(linear);
  auto* to = static_cast<ElementOf<kTarget>*>(out);
  for (std::uint64_t row = row_begin; row < row_end; ++row) {
    for (std::uint64_t k = 0; k < linear.in_features;) {
      const double scale = rows.scale(row, k / linear.group_size);
      const std::uint64_t stop = (k / linear.group_size + 1) * linear.group_size;
      for (; k < stop; ++k) *to++ = narrow<kTarget>(rows.code(row, k) * scale * rows.factor(k));
    }
  }
}

}  // namespace
}  // namespace thaw::kernels
