// The figures of a difference, summed so that they do not depend on who sums when. specs/verify.md
// clause 7. Private to lib/compare.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "compare/compare.h"

namespace thaw {

// Of one run of elements, or of several that were added in a fixed order.
struct DifferenceSums {
  double aa = 0;
  double bb = 0;
  double ab = 0;
  double dd = 0;
  double max_abs = 0;
  std::uint64_t elements = 0;
  std::uint64_t equal = 0;
  std::uint64_t nonfinite_a = 0;
  std::uint64_t nonfinite_b = 0;
  std::uint64_t nonfinite_differ = 0;

  void add(const DifferenceSums& more);
  [[nodiscard]] DifferenceFigures figures() const;
};

using Histogram = std::array<std::uint64_t, kHistogramBins>;

// Element by element, in order.
template <typename Float>
void sum_differences(const Float* a, const Float* b, std::uint64_t count, DifferenceSums& sums,
                     Histogram& histogram) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto x = static_cast<double>(a[i]);
    const auto y = static_cast<double>(b[i]);
    const double difference = x - y;
    if (difference - difference != 0) {  // an infinity or a NaN on one side, or on both
      const bool finite_a = x - x == 0;
      const bool finite_b = y - y == 0;
      sums.nonfinite_a += finite_a ? 0 : 1;
      sums.nonfinite_b += finite_b ? 0 : 1;
      const bool same = x == y || (x != x && y != y);
      ++(same ? sums.equal : sums.nonfinite_differ);
      continue;
    }
    sums.aa += x * x;
    sums.bb += y * y;
    sums.ab += x * y;
    if (difference == 0) {
      ++sums.equal;
      continue;
    }
    sums.dd += difference * difference;
    const double magnitude = std::fabs(difference);
    if (magnitude > sums.max_abs) sums.max_abs = magnitude;
    const int exponent = static_cast<int>(std::bit_cast<std::uint64_t>(magnitude) >> 52) - 1023;
    const int bin = exponent - kHistogramFirst;
    constexpr int kLast = static_cast<int>(kHistogramBins) - 1;
    ++histogram[static_cast<std::size_t>(bin < 0 ? 0 : bin > kLast ? kLast : bin)];
  }
  sums.elements += count;
}

}  // namespace thaw
