// Tensors that no supported layout uses and that must not be copied as if they were ordinary:
// other quantization methods, adapters, rotations, lost partners.
// Internal to lib/quant. Format: specs/awq.md clause 9.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "checkpoint/checkpoint.h"

namespace thaw {

struct Refusal {
  std::string what;       // safe for a terminal
  std::string_view hint;  // a constant
  bool unknown = false;   // packed by a method that is none of ours: --copy-unknown takes it along
};

// Why a checkpoint with this tensor is refused; nothing for an ordinary tensor. One tensor of each
// module answers for all, so that a module is reported once.
[[nodiscard]] std::optional<Refusal> refuse_tensor(const Checkpoint& checkpoint,
                                                   const Tensor& tensor);

// Whether the tensor holds the scales of a scaled activation (specs/awq.md clause 9.3).
[[nodiscard]] bool is_activation_scales(const Checkpoint& checkpoint, const Tensor& tensor);

}  // namespace thaw
