// The dequantization and cast kernels: one constant table for each instruction set.
// Nothing here allocates, throws, or trusts a file: the caller has proved every size.
// Formats: specs/awq.md, specs/compressed_tensors.md, specs/gptq.md, specs/scaled_elements.md.
// Numbers: specs/numbers.md.
#pragma once

#include <cstddef>
#include <cstdint>

namespace thaw::kernels {

enum class FloatType : std::uint8_t { float16, bfloat16, float32 };

// via_float16: round to float16 first and that to bfloat16 (only with bfloat16 output).
enum class Rounding : std::uint8_t { exact, via_float16 };

// streaming: non-temporal stores, for output that the CPU does not read again.
enum class Stores : std::uint8_t { normal, streaming };

struct OutputFormat {
  FloatType type = FloatType::float16;
  Rounding rounding = Rounding::exact;
  Stores stores = Stores::normal;
};

// The layouts that there are kernels for, in the order of Table::layouts. A switch over it has no
// default, so that a layout without its case does not compile.
enum class LayoutId : std::uint8_t {
  awq_gemm,
  awq_gemv,
  awq_gemv_fast,
  awq_marlin,
  ct_pack,
  ct_int8,  // as ct_pack of 8 bits, but codes are signed bytes, less by 128
  gptq,
  gptq_rows,
  gptq_bits,       // as gptq, of any width: a stream or planes, in words of 8 to 32 bits
  gptq_bits_rows,  // the same of gptq_rows
  mlx_affine,      // codes * scale + bias, by row
  bnb_int8,        // as ct_int8 with one float32 scale a row, of which a code counts 1/127
  scaled,          // small floats with a scale for each block of them
  bnb_4bit,        // numbers of a table with a scale for each block of the flat weight
  modelopt_int4,   // signed codes, two rows in a byte, with a factor for each column
};
inline constexpr std::size_t kLayoutCount = 15;

// "awq_gemm"; for people and for the filters of tests and benchmarks.
[[nodiscard]] const char* name_of(LayoutId id);

// What a packed tensor is for. group_index: the group of each input; absent: by size. global_scale:
// one float32, of the whole weight; absent: 1.
enum class Role : std::uint8_t { codes, zeros, scales, group_index, global_scale };
inline constexpr std::size_t kRoleCount = 5;

// One packed tensor, or the part of it that belongs to the view's out_features: the address of its
// first line, and the distance in bytes from one line to the next. What a line is depends on the
// layout. Mapped files may put a tensor at any byte, so no alignment is assumed.
struct Operand {
  const void* data = nullptr;  // null: absent
  std::uint64_t pitch = 0;
  std::uint64_t element = 0;  // bytes; only those of group_index are looked at: 4 or 8
};

// How ct_pack and ct_int8 hold their zeros: in words as wide as those of the codes, which run along
// the rows, or as signed bytes.
enum class Zeros : std::uint8_t { packed, int8 };

// The elements of `scaled`: E4M3 and E5M2 are a byte each, E2M1 half of one, the low half first.
enum class SmallFloat : std::uint8_t { e4m3, e5m2, e2m1 };

// The scales of `scaled`: floats of scale_type, or bytes of E4M3, or of E8M0: 2^(byte - 127), 255
// is NaN.
enum class ScaleForm : std::uint8_t { wide, e4m3, e8m0 };

// What the whole of `scaled` is. Its value is element * scale * global scale.
struct ScaledElements {
  SmallFloat element = SmallFloat::e4m3;
  ScaleForm form = ScaleForm::wide;
  std::uint64_t block_rows = 1;  // rows that share a line of scales; group_size columns share one
  bool divides_by_scale = false;
  bool divides_by_global = false;
};

// A linear layer, or a run of its out_features. Borrowed; must outlive the call.
struct PackedLinear {
  Operand operands[kRoleCount] = {};  // by role
  std::uint64_t in_features = 0;
  std::uint64_t out_features = 0;  // of this view; its first one is a multiple of the row block
  std::uint64_t group_size = 0;    // along in_features, >= 1, divides in_features (not in ct_pack)
  FloatType scale_type = FloatType::float16;
  // The rest is of ct_pack, ct_int8, gptq and gptq_rows, gptq_bits and gptq_bits_rows.
  std::uint32_t bits = 4;  // of a code: 1 to 8; in gptq and gptq_rows 4 or 8, in ct_int8 always 8
  // Of ct_pack and ct_int8, of which a view is always the whole linear.
  Zeros zeros = Zeros::packed;
  std::uint64_t rows_per_slice = 0;  // rows that packed zeros start a new word after; 0: never
  std::uint64_t rows_per_scale = 1;  // rows that share a line of scales and one of zeros
  // Of gptq and the like (specs/gptq.md). There, in_features and out_features are the columns and
  // rows of the weight that is wanted, group_size counts inputs (the columns of gptq, the rows of
  // gptq_rows), and the last group may be short.
  std::uint64_t groups = 0;  // lines of scales
  // Added to each word of zeros, wrapping; in gptq_bits, of codes that may cross words, not 0: 1 is
  // added to each zero, wrapping.
  std::uint32_t zero_addend = 0;
  // Of gptq_bits and gptq_bits_rows.
  std::uint32_t word_bytes = 4;  // 1, 2 or 4
  bool planes = false;           // 32 codes, and 32 zeros, are cut into planes (specs/gptq.md)
  // Of scaled, of which a view is always the whole linear, and the last block of rows or columns
  // may be short. With rows_per_slice, the blocks of each slice begin anew.
  ScaledElements scaled;
  // Of bnb_4bit, of which a view is always the whole linear; group_size codes share a scale, across
  // rows. Where scales are quantized themselves, each is nested_table[byte] times one of
  // global_scale, which nested_block of them share, plus the offset.
  const float* table = nullptr;         // 16 numbers
  const float* nested_table = nullptr;  // 256; null: scales are float32
  std::uint64_t nested_block = 0;
  float nested_offset = 0;
  // Of modelopt_int4: global_scale has a factor of this type for each column; absent: 1.
  FloatType column_type = FloatType::float32;

  Operand& operator[](Role role) { return operands[static_cast<std::size_t>(role)]; }
  const Operand& operator[](Role role) const { return operands[static_cast<std::size_t>(role)]; }
};

// Writes rows [row_begin, row_end) of the weight [out_features, in_features], contiguous and row
// after row, to `out`, which is 64-byte aligned and holds exactly that many elements; nothing
// outside it is written. Streaming stores are used where in_features elements are a multiple of 64
// bytes, else normal ones. Takes up to 80 KiB of stack.
// awq_gemv_fast and mlx_affine must have zeros, which are floats there; elsewhere absent ones mean
// 8, in ct_pack, ct_int8 and gptq the middle of the codes. row_begin is a multiple of the layout's
// row block (kernels::Layout) and so is row_end, unless it is out_features. Any thread may call it.
using DequantizeFn = void (*)(const PackedLinear& linear, std::uint64_t row_begin,
                              std::uint64_t row_end, void* out, const OutputFormat& format);

struct Layout {
  LayoutId id;
  std::uint32_t row_block;  // rows that one unit of the packing holds
  DequantizeFn dequantize;
};

// Converts `count` floats, any byte alignment on both sides, buffers not overlapping; returns how
// many finite values became infinite. via_float16 as above. Any pair of types.
using CastFn = std::uint64_t (*)(const void* in, FloatType from, void* out,
                                 const OutputFormat& format, std::uint64_t count);

// Writes in[i] / divisors[i], the quotient of the exact values rounded once (via_float16 as above),
// for `count` floats of any types and any byte alignment, buffers not overlapping; returns how many
// quotients of finite values became infinite. Every divisor is finite and not zero.
using DivideFn = std::uint64_t (*)(const void* in, FloatType from, const void* divisors,
                                   FloatType divisor_type, void* out, const OutputFormat& format,
                                   std::uint64_t count);

struct Table {
  const char* name;              // "scalar", "ssse3", "avx2", "avx512", "neon"
  Layout layouts[kLayoutCount];  // by LayoutId
  CastFn cast;
  DivideFn divide;
};

// The tables that this CPU can run, the best first; scalar is always the last.
struct TableList {
  const Table* const* tables;
  std::size_t count;
};
[[nodiscard]] TableList available_tables();

// By name among all tables built into this program; `runs_here` says whether this CPU can run it.
// Null for an unknown name.
[[nodiscard]] const Table* find_table(const char* name, bool* runs_here);

[[nodiscard]] inline const Layout& layout_in(const Table& table, LayoutId id) {
  return table.layouts[static_cast<std::size_t>(id)];
}

// How many elements of the dequantized rows [row_begin, row_end) in `out` are infinite although
// scale and zero are finite. Reads all scales of those rows first and returns 0 at once where none
// can overflow; the exact count is slow and rare. Plain C++ for every table.
[[nodiscard]] std::uint64_t count_overflows(LayoutId id, const PackedLinear& linear,
                                            std::uint64_t row_begin, std::uint64_t row_end,
                                            const void* out, const OutputFormat& format);

}  // namespace thaw::kernels
