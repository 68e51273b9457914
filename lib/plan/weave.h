// A matrix whose rows or columns are the rows of other matrices: how fused experts are stored where
// they are transposed, or gate and up alternate. specs/numbers.md clause 9.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "plan/segment.h"

namespace thaw {

// The parts' rows follow one another, or alternate (then all parts have as many); `transposed`
// makes them the columns of the result. All values are those that the parts make, moved and not
// changed.
struct Weave {
  std::vector<Segment> parts;  // whole matrices [rows, inner] of one output type; no weaves
  std::uint64_t inner = 0;     // columns of every part
  std::uint64_t outer = 0;     // rows of all parts
  bool transposed = false;
  bool interleaved = false;

  // Columns of the result.
  [[nodiscard]] std::uint64_t columns() const { return transposed ? outer : inner; }
  // Elements, along the dimension of the parts' rows: where row `n` of part `i` lies.
  [[nodiscard]] std::uint64_t place(std::size_t i, std::uint64_t n) const {
    if (interleaved) return n * parts.size() + i;
    std::uint64_t before = 0;
    for (std::size_t p = 0; p < i; ++p) before += rows_of(p);
    return before + n;
  }
  [[nodiscard]] std::uint64_t rows_of(std::size_t i) const {
    return parts[i].size / (inner * (dtype_bits(parts[i].to) / 8));
  }
  // Rows of a part that are made at once: about 1 MiB, a whole number of row blocks.
  [[nodiscard]] std::uint64_t block_rows(std::size_t i) const {
    const std::uint64_t row = std::max<std::uint64_t>(1, inner * (dtype_bits(parts[i].to) / 8));
    const std::uint64_t block = parts[i].row_block;
    return std::max<std::uint64_t>(block, (std::uint64_t{1} << 20) / row / block * block);
  }
};

}  // namespace thaw
