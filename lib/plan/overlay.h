// The overlay: the blocks of a quantized checkpoint (the twin) in the float checkpoint that it was
// made from (the base). Which of the two each tensor comes from. specs/overlay.md clauses 3 and 4.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "model/blocks.h"
#include "model/spec.h"
#include "plan/fold.h"
#include "quant/linears.h"

namespace thaw {

// What a tensor of the base is made from; with neither, it stays as it is. Into the twin.
struct OverlaySource {
  const QuantizedLinear* linear = nullptr;
  const Tensor* tensor = nullptr;

  [[nodiscard]] bool replaced() const { return linear != nullptr || tensor != nullptr; }
};

// Borrows the two checkpoints and the twin's linears.
struct Overlay {
  const Checkpoint* base = nullptr;
  Blocks base_blocks;
  Blocks twin_blocks;
  std::vector<OverlaySource> sources;  // of every tensor of the base, by index
  std::uint64_t replaced = 0;          // tensors of the base
  std::uint64_t kept = 0;
  std::uint64_t ignored = 0;  // tensors of the twin beside its blocks
  // Biases of linears that only the twin has: the result cannot hold them, so they must be zero.
  // Nobody has looked at their values yet.
  std::vector<const Tensor*> biases_left_out;
  std::vector<std::string> warnings;  // safe for a terminal
};

struct OverlayRequest {
  const Checkpoint* base = nullptr;
  const Checkpoint* twin = nullptr;
  const QuantizedLinears* linears = nullptr;  // of the twin
  std::span<const Fold> folds = {};           // of the twin
  const ModelSpec* spec = nullptr;
  Blocks base_blocks;
  Blocks twin_blocks;
};

// Errors, all of them at once, ErrorCode::input: another number of layers; a module of the spec
// that either side lacks; a tensor of such a module that one side lacks; another shape; types that
// cannot be cast; a quantized linear that no rule of the spec takes.
[[nodiscard]] Result<Overlay> make_overlay(const OverlayRequest& request);

}  // namespace thaw
