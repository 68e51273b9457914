// Which known mistake makes one weight of another. specs/verify.md clause 8. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "compare/compare.h"

namespace thaw {

// The first rows of two weights, [rows, columns], row after row; both finite throughout.
struct FaultSample {
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  std::span<const float> a;
  std::span<const float> b;
};

// What scales the columns of a weight: a value for each of them, in A and in B. Empty where there
// is no norm, or it is not known.
struct FaultNorm {
  std::vector<double> a;
  std::vector<double> b;
};

[[nodiscard]] Fault find_fault(const FaultSample& sample, const FaultNorm& norm);

// Of two weights whose shapes are each other's, turned: the first rows of both, of `columns_a` and
// `columns_b` elements.
[[nodiscard]] bool is_transposed(std::span<const float> a, std::uint64_t columns_a,
                                 std::span<const float> b, std::uint64_t columns_b);

}  // namespace thaw
