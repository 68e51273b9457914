// What a pack layout is, and how it keeps the tensors of a linear. Every layout is one row: a
// constant PackLayout, and a LayoutReader (quant/layouts.h) for each way to recognise it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "checkpoint/checkpoint.h"

namespace thaw {

// Nobody compares the name of a layout. A switch over its identity has no default, so that a new
// layout does not compile before every place knows it.
enum class LayoutId : std::uint8_t {
  awq_gemm,
  awq_gemv,
  awq_gemv_fast,
  llm_awq_v2,  // packed as awq_gemv_fast is
  awq_marlin,
  ct_pack,
  ct_int8,
  gptq,
  gptq_rows,
  gptq_bits,       // of other widths, words or planes (quant/gptq_bits.cc)
  gptq_bits_rows,  // the same, not transposed
  mlx_affine,
  bnb_int8,
  bnb_4bit,
  modelopt_int4,
  scaled,  // small floats with a scale for each block of them
};

// Whose config speaks of it, and whose rules hold for all of its layouts.
enum class LayoutFamily : std::uint8_t {
  awq,
  gptq,
  compressed_tensors,
  mlx,
  bitsandbytes,
  modelopt,
  scaled
};

// What an operand is for. group_index: the group of each input, where groups are no runs of inputs.
// global_scale: one float32, of the whole weight.
enum class Role : std::uint8_t { codes, zeros, scales, group_index, global_scale };
inline constexpr std::size_t kRoleCount = 5;

// The elements of scaled layouts: E4M3 and E5M2 are a byte each, E2M1 half of one, the low half
// first.
enum class SmallFloat : std::uint8_t { e4m3, e5m2, e2m1 };

// What the whole of a scaled weight is (specs/scaled_elements.md clause 1): element * scale *
// global scale, the scale being that of a block of so many rows and group_size columns.
struct ScaledElements {
  SmallFloat element = SmallFloat::e4m3;
  std::uint64_t block_rows = 1;
  bool divides_by_scale = false;
  bool divides_by_global = false;
};

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

  // Whether every out_feature needs all of it.
  [[nodiscard]] bool is_whole() const { return out_features_per_line == 0 && block_bytes == 0; }
};

// The operands of a linear, by their roles; a walk meets all roles, also those that are absent.
class Operands {
 public:
  PackedOperand& operator[](Role role) { return operands_[static_cast<std::size_t>(role)]; }
  const PackedOperand& operator[](Role role) const {
    return operands_[static_cast<std::size_t>(role)];
  }
  [[nodiscard]] bool has(Role role) const { return (*this)[role].tensor != nullptr; }
  [[nodiscard]] auto begin() const { return operands_.begin(); }
  [[nodiscard]] auto end() const { return operands_.end(); }

 private:
  std::array<PackedOperand, kRoleCount> operands_;
};

struct PackLayout {
  LayoutId id = LayoutId::awq_gemm;
  LayoutFamily family = LayoutFamily::awq;
  std::string_view name;         // "awq_gemm", for programs that read reports
  std::string_view title;        // "AWQ GEMM", for people
  bool titled_by_width = false;  // "compressed-tensors 4-bit"
  // The rows of a tile are multiples of this; 1 where a row stands alone.
  std::uint64_t row_block = 1;
  // The rows of a tile that the kernels like best; a multiple of row_block.
  std::uint64_t row_step = 1;
  // True when every output row needs bytes of every line of the codes.
  bool columns_strided = false;
  // True when the weight is not transposed: its rows (out_features) are what the packing calls
  // inputs, its columns (in_features) are outputs.
  bool rows_are_inputs = false;
};

}  // namespace thaw
