// Whether the tensors of a file cover its data exactly. Internal.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/status.h"
#include "checkpoint/checkpoint.h"

namespace thaw {

// specs/safetensors.md clause 5: no byte of [data_begin, data_end) is in two tensors or in none.
void check_coverage(std::string_view path, std::span<const Tensor> tensors,
                    std::uint64_t data_begin, std::uint64_t data_end, ErrorList& errors);

}  // namespace thaw
