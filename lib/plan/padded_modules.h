// Weights that the quantized checkpoint of an overlay has in a larger size than its base: models
// are padded before they are quantized, so that tensor parallelism divides them.
// specs/overlay.md clause 4.8.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "quant/linears.h"

namespace thaw {

// One of the blocks' modules, in all of them.
struct PaddedModule {
  std::string member;  // "mlp.up_proj.weight"
  const Tensor* base = nullptr;
  const QuantizedLinear* linear = nullptr;  // of the first block; null: floats
  std::size_t axis = 0;                     // the dimension that is larger
  std::vector<std::uint64_t> base_shape;
  std::vector<std::uint64_t> quantized_shape;
  std::uint64_t tensors = 0;  // that differ in this way

  [[nodiscard]] std::uint64_t added() const { return quantized_shape[axis] - base_shape[axis]; }
};

// Whether one dimension of two or more is larger than the base's, and the others are the same.
[[nodiscard]] bool is_padded(std::span<const std::uint64_t> base,
                             std::span<const std::uint64_t> quantized);

// Adds the tensor to the module of its member; `base` and `linear` are those of the first one.
void note_padded(std::vector<PaddedModule>& modules, std::string_view member, const Tensor& base,
                 const QuantizedLinear* linear, std::span<const std::uint64_t> quantized_shape);

// The refusal: both sizes, what the two configs say of them, `found` (what is known of the values
// that were added; may be empty), and what to do.
[[nodiscard]] Status refuse_padded(const PaddedModule& module, const Checkpoint& base,
                                   const Checkpoint& quantized, const std::string& found);

}  // namespace thaw
