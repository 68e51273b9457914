// Which tensors of a checkpoint are quantized linears, and how they are packed.
// Layouts, recognition and refusals: specs/awq.md, specs/compressed_tensors.md, specs/gptq.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "quant/code_table.h"
#include "quant/config.h"
#include "quant/layout.h"

namespace thaw {

// A module whose weight is packed. The value of weight[n][k] is specs/numbers.md clause 1.
// lines * pitch of every operand lies within its tensor, and in_features * out_features elements
// of 8 bytes fit in 64 bits.
struct QuantizedLinear {
  std::string_view module;  // "model.layers.0.mlp.up_proj"; points into the Checkpoint
  const PackLayout* layout = nullptr;
  std::string_view reason;  // why it is taken for this layout, in a few words; for people
  Operands operands;
  std::uint64_t in_features = 0;
  std::uint64_t out_features = 0;  // a multiple of the layout's row block, for AWQ of 8 too
  std::uint64_t group_size = 0;    // 1..in_features, for AWQ divides it
  Dtype scale_dtype = Dtype::f16;  // f16, bf16 or f32; of scaled elements f8_e4m3, f8_e8m0 too
  ModuleClaims claims;             // of the config
  std::uint32_t bits = 4;          // of a code
  // Of compressed-tensors. Not 0: the weight is [out_features / this, this, in_features].
  std::uint64_t rows_per_slice = 0;
  // The weight is a parameter of fused experts: it is called as the module, without ".weight".
  bool is_parameter = false;
  bool byte_zeros = false;           // zeros are signed bytes, not packed as the codes are
  bool assumed_width = false;        // neither tensors nor config say `bits`
  std::uint64_t rows_per_scale = 1;  // rows that share a line of scales, and one of zeros
  // Of GPTQ (specs/gptq.md): there, out_features may be any number, and group_size need not divide;
  // with PackLayout::rows_are_inputs it counts out_features.
  // Added to every word of zeros, wrapping; where codes may cross words (3, 5, 6 and 7 bits), 1 to
  // every zero.
  std::uint32_t zero_addend = 0;
  bool zeros_wrap = false;                 // that happens: a v1 field is the highest there is
  std::uint32_t word_bytes = 4;            // of gptq_bits and gptq_bits_rows
  bool planes = false;                     // likewise: 32 codes are cut into planes
  ScaledElements scaled;                   // of scaled elements
  std::shared_ptr<const CodeTable> table;  // of bnb_4bit; null: codes are numbers by themselves

  [[nodiscard]] const PackedOperand& operator[](Role role) const { return operands[role]; }
  [[nodiscard]] const Tensor& codes() const { return *operands[Role::codes].tensor; }
  // No zeros are stored, or they do not count: it is the middle of the codes.
  [[nodiscard]] bool is_symmetric() const { return !operands.has(Role::zeros); }
};

// "AWQ GEMM", "compressed-tensors 4-bit"; for people.
[[nodiscard]] std::string title_of(const QuantizedLinear& linear);

// What the weight is called in a float checkpoint.
[[nodiscard]] std::string weight_name(const QuantizedLinear& linear);
// [out_features, in_features]; of experts in one tensor [experts, out_features, in_features].
[[nodiscard]] std::vector<std::uint64_t> weight_shape(const QuantizedLinear& linear);

struct SlicedScales;  // quant/fused_scales.h

struct QuantizedLinears {
  QuantConfig config;
  std::vector<QuantizedLinear> linears;  // sorted by module, bytewise; never empty
  // For every tensor of the checkpoint (by index): 1 when it is not carried, because a linear
  // consumes it or no float model has it (specs/closed_world.md clauses 4 and 5), 2 when it is
  // copied unchanged whatever its type (copy_unknown), else 0.
  std::vector<std::uint8_t> consumed;
  std::vector<std::shared_ptr<const SlicedScales>> sliced_scales;  // that operands point to
  // Scales that an activation divides by: each must be folded into the next linear (plan/fold.h).
  std::vector<const Tensor*> activation_scales;
  std::vector<std::string> warnings;  // of the config too; safe for a terminal
  std::vector<std::string> notes;     // what is left out or taken for granted; likewise
};

// Whether any of its tensors holds codes, by name and type alone.
[[nodiscard]] bool looks_quantized(const Checkpoint& checkpoint);

struct FindOptions {
  // Modules of packed tensors that no layout reads are copied with a warning, not refused.
  bool copy_unknown = false;
  // Asked of every tensor with the name of an adapter: whether the model itself has it, as
  // Phi-4-multimodal does. Empty: none has.
  std::function<bool(std::string_view tensor)> is_part_of_model = {};
};

// Whether some part of a tensor's name is that of an adapter: "lora_A".
[[nodiscard]] bool names_adapter(std::string_view tensor);

// Errors (all of them at once): ErrorCode::input.
[[nodiscard]] Result<QuantizedLinears> find_quantized_linears(const Checkpoint& checkpoint,
                                                              const FindOptions& options = {});

// What the config says of this linear and its tensors contradict: "group_size 128, 64 by shape".
[[nodiscard]] std::vector<std::string> contradictions(const QuantConfig& config,
                                                      const QuantizedLinear& linear);

}  // namespace thaw
