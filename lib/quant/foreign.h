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
  bool answers_for_module = true;  // what else the module has needs no word of its own
};

// Of a refusal that is `unknown`.
inline constexpr std::string_view kUnknownHint =
    "thaw does not read these; --copy-unknown copies them to the output as they are";

// Why a checkpoint with this tensor is refused; nothing for a tensor that says nothing by itself
// (closed_world.h has the last word on it). One tensor of each module answers for all, so that a
// module is reported once, unless the refusal says otherwise. `fused_transforms`: of the config.
[[nodiscard]] std::optional<Refusal> refuse_tensor(const Checkpoint& checkpoint,
                                                   const Tensor& tensor, bool fused_transforms);

// Whether the tensor holds the scales of a scaled activation (specs/awq.md clause 9.3).
[[nodiscard]] bool is_activation_scales(const Checkpoint& checkpoint, const Tensor& tensor);

}  // namespace thaw
