// The overlay: the blocks of a quantized checkpoint in the float checkpoint that it was made from
// (the base). Which of the two each tensor comes from. specs/overlay.md clauses 3, 4 and 8.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "model/blocks.h"
#include "model/spec.h"
#include "plan/expert_tensors.h"
#include "plan/fold.h"
#include "plan/padded_modules.h"
#include "quant/linears.h"

namespace thaw {

// What a tensor of the base is made from, of the quantized checkpoint; with neither, it stays as it
// is.
struct OverlaySource {
  const QuantizedLinear* linear = nullptr;
  const Tensor* tensor = nullptr;
  // Of experts that the quantized checkpoint holds in another form: index into Overlay::experts.
  static constexpr std::uint32_t kNoExperts = 0xffffffff;
  std::uint32_t experts = kNoExperts;

  [[nodiscard]] bool has_experts() const { return experts != kNoExperts; }
  [[nodiscard]] bool replaced() const {
    return linear != nullptr || tensor != nullptr || has_experts();
  }
};

// A quantized linear outside of the blocks that goes into the base, as --take asks.
struct TakenLinear {
  const QuantizedLinear* linear = nullptr;
  const Tensor* base = nullptr;  // the weight in whose place it is put
};

// Borrows the two checkpoints and the linears of the quantized one.
struct Overlay {
  const Checkpoint* base = nullptr;
  Blocks base_blocks;
  Blocks quantized_blocks;
  std::vector<OverlaySource> sources;  // of every tensor of the base, by index
  std::vector<ExpertTensor> experts;  // in the base's form, under names of the quantized checkpoint
  std::uint64_t replaced = 0;         // tensors of the base
  std::uint64_t kept = 0;
  std::uint64_t ignored = 0;  // tensors of the quantized checkpoint beside its blocks
  // Biases of linears that only the quantized checkpoint has: the result cannot hold them, so they
  // must be zero. Nobody has looked at their values yet.
  std::vector<const Tensor*> biases_left_out;
  // Where there are any, the base cannot hold the weights: it must be refused, by who knows their
  // values.
  std::vector<PaddedModule> padded;
  std::vector<TakenLinear> taken;
  std::vector<std::string_view> left;  // quantized modules outside of the blocks, left on request
  std::vector<std::string> warnings;   // safe for a terminal
};

struct OverlayRequest {
  const Checkpoint* base = nullptr;
  const Checkpoint* quantized = nullptr;
  const QuantizedLinears* linears = nullptr;  // of the quantized checkpoint
  std::span<const Fold> folds = {};           // of the quantized checkpoint
  const ModelSpec* spec = nullptr;
  Blocks base_blocks;
  Blocks quantized_blocks;
  // Names of quantized modules outside of the blocks: to be put into the base, or not to be.
  std::span<const std::string> take = {};
  std::span<const std::string> leave = {};
};

// Errors, all of them at once, ErrorCode::input: another number of layers; a module of the spec
// that either side lacks; a tensor of such a module that one side lacks; another shape; types that
// cannot be cast; a quantized linear that no rule of the spec takes; one outside of the blocks that
// neither `take` nor `leave` names, or that cannot be taken.
[[nodiscard]] Result<Overlay> make_overlay(const OverlayRequest& request);

}  // namespace thaw
