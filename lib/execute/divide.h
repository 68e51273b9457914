// Segments whose columns are divided by activation scales: specs/numbers.md clause 8. Both return
// how many finite values became infinite. Private to lib/execute.
#pragma once

#include <cstddef>
#include <cstdint>

#include "execute/make_segment.h"

namespace thaw {

// Any elements of a float weight.
[[nodiscard]] std::uint64_t make_divided_cast(const Plan& plan, const kernels::Table& table,
                                              const Segment& segment,
                                              const kernels::OutputFormat& format, std::byte* out);

// Rows [first, last) of source.view.
[[nodiscard]] std::uint64_t make_divided_tile(const Plan& plan, const kernels::Table& table,
                                              const Segment& segment, const TileSource& source,
                                              std::uint64_t first, std::uint64_t last,
                                              const kernels::OutputFormat& format, std::byte* out);

}  // namespace thaw
