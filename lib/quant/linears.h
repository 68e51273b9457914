// Which tensors of a checkpoint are quantized linears, and how they are packed.
// Layouts, recognition and refusals: specs/awq.md, specs/compressed_tensors.md, specs/gptq.md.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "quant/config.h"

namespace thaw {

// How a packed tensor's bytes relate to the linear's out_features. Either a line belongs to some
// out_features (out_features_per_line), or every line has a piece for each of them (block_*), or
// with neither every out_feature needs all of it.
struct PackedOperand {
  const Tensor* tensor = nullptr;  // null: absent
  std::uint64_t lines = 0;         // those that hold values; padding may follow them
  std::uint64_t pitch = 0;         // bytes from line to line
  // Not 0: line i holds all of out_features [i * n, (i + 1) * n) and nothing else.
  std::uint64_t out_features_per_line = 0;
  // Else: in every line, each run of block_rows out_features has block_bytes bytes, in order;
  // where block_bytes is 0, all out_features need all of every line.
  std::uint64_t block_rows = 0;
  std::uint64_t block_bytes = 0;
};

struct PackLayout;

// A module whose weight is packed. The value of weight[n][k] is specs/numbers.md clause 1.
// lines * pitch of every operand lies within its tensor, and in_features * out_features elements
// of 8 bytes fit in 64 bits.
struct QuantizedLinear {
  std::string_view module;  // "model.layers.0.mlp.up_proj"; points into the Checkpoint
  const PackLayout* layout = nullptr;
  PackedOperand qweight;
  PackedOperand qzeros;  // the scaled_zeros of llm-awq v2 too
  PackedOperand scales;
  std::uint64_t in_features = 0;
  std::uint64_t out_features = 0;  // a multiple of the layout's row block, for AWQ of 8 too
  std::uint64_t group_size = 0;    // 1..in_features, for AWQ divides it
  Dtype scale_dtype = Dtype::f16;  // f16, bf16 or f32
  ModuleClaims claims;             // of the config
  // Of compressed-tensors and GPTQ.
  PackedOperand group_index;  // where groups are no runs of group_size inputs
  std::uint32_t bits = 4;     // of a code
  // Of compressed-tensors. Not 0: the weight is [out_features / this, this, in_features].
  std::uint64_t rows_per_slice = 0;
  // The weight is a parameter of fused experts: it is called as the module, without ".weight".
  bool is_parameter = false;
  // Of GPTQ (specs/gptq.md): there, out_features may be any number, and group_size need not divide;
  // with PackLayout::rows_are_inputs it counts out_features.
  std::uint32_t zero_addend = 0;  // added to every word of qzeros, wrapping
  bool zeros_wrap = false;        // that happens: a v1 field is the highest there is
};

// One way to pack a linear: a constant, one file each in lib/quant/.
struct PackLayout {
  std::string_view name;   // "awq_gemm", the name of its kernels; zero-terminated
  std::string_view title;  // "AWQ GEMM", for people
  // The rows of a tile are multiples of this; 1 where a row stands alone.
  std::uint64_t row_block = 1;
  // The rows of a tile that the kernels like best; a multiple of row_block.
  std::uint64_t row_step = 1;
  // True when every output row needs bytes of every line of qweight.
  bool columns_strided = false;
  // Why a module is taken for this layout, in a few words; for people.
  std::string_view reason = {};
  // True when the weight is not transposed: its rows (out_features) are what the packing calls
  // inputs, its columns (in_features) are outputs.
  bool rows_are_inputs = false;
};

// What the weight is called in a float checkpoint.
[[nodiscard]] std::string weight_name(const QuantizedLinear& linear);

struct QuantizedLinears {
  QuantConfig config;
  std::vector<QuantizedLinear> linears;  // sorted by module, bytewise; never empty
  // For every tensor of the checkpoint (by index): 1 when a linear consumes it, 2 when it is copied
  // unchanged whatever its type (copy_unknown), else 0.
  std::vector<std::uint8_t> consumed;
  // Scales that an activation divides by: each must be folded into the next linear (plan/fold.h).
  std::vector<const Tensor*> activation_scales;
  std::vector<std::string> warnings;  // of the config too; safe for a terminal
};

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
