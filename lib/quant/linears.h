// Which tensors of a checkpoint are quantized linears, and how they are packed.
// Layouts, recognition and refusals: specs/awq.md, specs/gptq.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "quant/config.h"

namespace thaw {

// How a packed tensor's bytes relate to the linear's out_features. Either a line belongs to some
// out_features (out_features_per_line), or every line has a piece for each of them (block_*).
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
  std::uint64_t out_features = 0;  // a multiple of 8 and of the layout's row block
  std::uint64_t group_size = 0;    // 1..in_features, divides it
  Dtype scale_dtype = Dtype::f16;  // f16 or bf16
  ModuleClaims claims;             // of the config
  // The rest is of GPTQ (specs/gptq.md): there, out_features may be any number, and group_size need
  // not divide; with PackLayout::rows_are_inputs it counts out_features.
  PackedOperand group_index;  // g_idx, where groups are no runs of group_size inputs
  std::uint32_t bits = 4;
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
  // True when the weight is not transposed: its rows (out_features) are what the packing calls
  // inputs, its columns (in_features) are outputs.
  bool rows_are_inputs = false;
};

struct QuantizedLinears {
  QuantConfig config;
  std::vector<QuantizedLinear> linears;  // sorted by module, bytewise; never empty
  // For every tensor of the checkpoint (by index): 1 when a linear consumes it, else 0.
  std::vector<std::uint8_t> consumed;
  std::vector<std::string> warnings;  // of the config too; safe for a terminal
};

// Errors (all of them at once): ErrorCode::input.
[[nodiscard]] Result<QuantizedLinears> find_quantized_linears(const Checkpoint& checkpoint);

}  // namespace thaw
