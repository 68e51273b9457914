// g_idx: the group of each input. Format: specs/gptq.md clause 3. Internal to lib/quant.
#pragma once

#include <cstdint>

#include "quant/linears.h"

namespace thaw {

// Whether input k is in group k / group_size for all of them, as without an index. An error when
// the tensor is neither I32 nor I64, or an entry is none of [-groups, groups).
[[nodiscard]] Result<bool> is_regular_index(const Checkpoint& checkpoint, const Tensor& index,
                                            std::uint64_t groups, std::uint64_t group_size);

// A tensor of which all out_features need everything.
[[nodiscard]] PackedOperand whole_operand(const Tensor& tensor);

}  // namespace thaw
