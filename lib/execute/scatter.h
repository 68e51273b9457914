// Moves rows of a part to where its weave has them. Private to lib/execute.
#pragma once

#include <cstddef>
#include <cstdint>

#include "plan/weave.h"

namespace thaw {

// `rows` holds rows [first, last) of part `part`; `out` gets those elements of them that lie in
// rows [row_begin, row_end) of the woven matrix, of which it holds all columns.
void scatter(const Weave& weave, std::size_t part, std::uint64_t first, std::uint64_t last,
             const std::byte* rows, std::uint64_t row_begin, std::uint64_t row_end, std::byte* out);

}  // namespace thaw
