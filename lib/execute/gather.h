// The columns of a packed linear that make some of its rows, copied out of the mapped input.
#pragma once

#include <cstddef>
#include <span>

#include "base/status.h"
#include "execute/input_cache.h"
#include "execute/linear_view.h"
#include "io/mapped_file.h"
#include "quant/linears.h"

namespace thaw {

// Fills `buffer` (slab.size bytes) as lay_out_slab() placed it, a few MiB of lines at a time. The
// linear's tensors lie in `files`, by shard. Errors: ErrorCode::io.
[[nodiscard]] Status gather_slab(std::span<const MappedFile* const> files, InputCache& input,
                                 const QuantizedLinear& linear, const Slab& slab,
                                 std::byte* buffer);

}  // namespace thaw
