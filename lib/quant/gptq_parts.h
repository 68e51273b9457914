// What the layouts of GPTQ share: the width of the codes, the groups, the index. Internal to
// lib/quant. Format: specs/gptq.md clauses 2 and 3.
#pragma once

#include <cstdint>

#include "quant/layouts.h"
#include "quant/zero_fields.h"

namespace thaw {

struct GptqSizes {
  std::uint64_t inputs = 0;   // K
  std::uint64_t outputs = 0;  // N
  std::uint64_t groups = 0;
  std::uint64_t word_bits = 32;
};

[[nodiscard]] inline bool has_index(const ModuleTensors& tensors) {
  return tensors.g_idx != nullptr && tensors.g_idx->size() != 0;
}

// Sets bits of the linear and the inputs, from outputs and word_bits: the config's width where the
// shapes allow it, else 4 or 8; others only where the config does not say another.
[[nodiscard]] Problem find_width(const ModuleTensors& tensors, QuantizedLinear& linear,
                                 GptqSizes& sizes);

// G where the config's fits the groups that there are, else as many inputs a group as fit evenly.
// With an index, G only says what to compare it with.
[[nodiscard]] Problem find_group_size(const ModuleTensors& tensors, QuantizedLinear& linear,
                                      const GptqSizes& sizes);

// Sets the group index of the linear, where there is one that says other groups than k / G.
[[nodiscard]] Problem find_index(const ModuleTensors& tensors, QuantizedLinear& linear,
                                 const GptqSizes& sizes);

// Sets the zeros of the linear to `stored`, and what is added to them: specs/gptq.md clause 4.
// Leaves them out where the zero is half of the range. `read` looks at the fields of qzeros.
[[nodiscard]] Problem find_zeros(const ModuleTensors& tensors, const QuantConfig& config,
                                 QuantizedLinear& linear, const GptqSizes& sizes,
                                 const PackedOperand& stored, decltype(read_zero_fields)& read);

// Module of codes that are not 4 or 8 bits in words of 32: specs/gptq.md clause 2.5. bits and sizes
// as find_width() left them; `rows`: the weight is not transposed.
[[nodiscard]] Problem describe_gptq_bits(const ModuleTensors& tensors, const QuantConfig& config,
                                         QuantizedLinear& linear, GptqSizes sizes);

}  // namespace thaw
