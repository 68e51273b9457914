// How the transposing kernels walk along in_features: blocks of 128 columns, four quarters of 32.
// 128 columns of a 16-bit type are four cache lines of an output row; with fewer at a time the
// non-temporal stores lose half of their speed.
#pragma once

#include "kernels/values-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kQuarter = 32;
inline constexpr std::uint64_t kQuarters = 4;
inline constexpr std::uint64_t kBlock = kQuarter * kQuarters;

// The vectors want 32 columns at a time to share a scale, and scales of 16 bits.
inline bool groups_fit_vectors(const PackedLinear& linear) {
  return linear.scale_type != FloatType::float32 &&
         (linear.group_size % kQuarter == 0 || linear.group_size == linear.in_features);
}

// Columns [0, this) go through the vectors; fewer than 32 after it do not.
inline std::uint64_t vector_columns(const PackedLinear& linear) {
  return linear.in_features / kQuarter * kQuarter;
}

// The group of each quarter of the block at column k, and whether they are all the same.
struct BlockGroups {
  std::uint64_t group[kQuarters];
  bool one;

  BlockGroups(const PackedLinear& linear, std::uint64_t k) : group{}, one(true) {
    for (std::uint64_t i = 0; i < kQuarters; ++i) {
      group[i] = (k + i * kQuarter) / linear.group_size;
      one = one && group[i] == group[0];
    }
  }
};

// Non-temporal stores want whole, aligned cache lines in every row.
template <Target kTarget>
inline bool can_stream(const PackedLinear& linear, const OutputFormat& format) {
  return format.stores == Stores::streaming &&
         linear.in_features * sizeof(ElementOf<kTarget>) % 64 == 0;
}

}  // namespace
}  // namespace thaw::kernels
