// What stands in the zero points of a GPTQ v1 module. Format: specs/gptq.md clause 4. Internal to
// lib/quant.
#pragma once

#include <cstdint>

#include "checkpoint/checkpoint.h"

namespace thaw {

struct ZeroFields {
  bool all_half = true;      // every field is 2^(bits - 1)
  bool any_highest = false;  // a field is 2^bits - 1
};

// `qzeros` is I32 [groups, ceil(outputs * bits / 32)]; padding fields do not count.
[[nodiscard]] Result<ZeroFields> read_zero_fields(const Checkpoint& checkpoint,
                                                  const Tensor& qzeros, std::uint32_t bits,
                                                  std::uint64_t outputs);

// The same of words of any size and codes of any width, in one stream: of 3, 5, 6 and 7 bits a
// field may begin in one word and end in the next.
[[nodiscard]] Result<ZeroFields> read_zero_streams(const Checkpoint& checkpoint,
                                                   const Tensor& qzeros, std::uint32_t bits,
                                                   std::uint64_t outputs);

}  // namespace thaw
