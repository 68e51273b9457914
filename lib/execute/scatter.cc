#include "execute/scatter.h"

#include <algorithm>
#include <cstring>

namespace thaw {

namespace {

constexpr std::uint64_t kTile = 32;  // rows and columns that stay in the first cache together

// Element (n, k) of `in`, whose rows have `inner` elements, to out[k * outer + n * step].
template <typename Element>
void transpose(const std::byte* in, std::uint64_t inner, std::uint64_t rows, std::uint64_t begin,
               std::uint64_t end, std::byte* out, std::uint64_t outer, std::uint64_t step) {
  constexpr std::uint64_t kSize = sizeof(Element);
  for (std::uint64_t n0 = 0; n0 < rows; n0 += kTile) {
    const std::uint64_t n1 = std::min(n0 + kTile, rows);
    for (std::uint64_t k0 = begin; k0 < end; k0 += kTile) {
      const std::uint64_t k1 = std::min(k0 + kTile, end);
      for (std::uint64_t k = k0; k < k1; ++k) {
        for (std::uint64_t n = n0; n < n1; ++n) {
          std::memcpy(out + ((k - begin) * outer + n * step) * kSize, in + (n * inner + k) * kSize,
                      kSize);
        }
      }
    }
  }
}

}  // namespace

void scatter(const Weave& weave, std::size_t part, std::uint64_t first, std::uint64_t last,
             const std::byte* rows, std::uint64_t row_begin, std::uint64_t row_end,
             std::byte* out) {
  const std::uint64_t element = dtype_bits(weave.parts[part].to) / 8;
  if (weave.transposed) {
    const std::uint64_t step = weave.interleaved ? weave.parts.size() : 1;
    std::byte* const to = out + weave.place(part, first) * element;
    const auto move = element == 2 ? transpose<std::uint16_t> : transpose<std::uint32_t>;
    move(rows, weave.inner, last - first, row_begin, row_end, to, weave.outer, step);
    return;
  }
  const std::uint64_t row_bytes = weave.inner * element;
  for (std::uint64_t n = first; n < last; ++n) {
    const std::uint64_t row = weave.place(part, n);
    if (row < row_begin || row >= row_end) continue;
    std::memcpy(out + (row - row_begin) * row_bytes, rows + (n - first) * row_bytes, row_bytes);
  }
}

}  // namespace thaw
