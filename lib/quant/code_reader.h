// The stored codes, zeros and scales of a packed weight, one at a time, from the formulas of
// specs/awq.md, specs/compressed_tensors.md and specs/gptq.md. Plain and separate on purpose: it
// checks what the kernels made, so it shares nothing with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "checkpoint/checkpoint.h"  // and with it MappedFile
#include "quant/linears.h"

namespace thaw {

// What turns a code into a value: (code - zero) * scale, or code * scale + scaled_zero.
struct CodeStep {
  double scale = 0;
  std::int32_t zero = 0;
  double scaled_zero = 0;
  double divisor = 1;       // of the product, in the first form and the third
  bool is_sum = false;      // the second form (specs/numbers.md clause 1.2)
  bool is_element = false;  // the third: element * scale / divisor, of scaled elements
  SmallFloat element = SmallFloat::e4m3;
  // The fourth, of tables: table[code] * (scale + scaled_zero), the sum exact.
  const float* table = nullptr;
};

// The number that a code of so many bits means by itself.
[[nodiscard]] double number_of_element(SmallFloat element, std::uint32_t code);

// Borrows everything; thread-safe. The bytes it reads must be in memory, or cost a page fault.
class CodeReader {
 public:
  // `files` are the shards by their index.
  CodeReader(std::span<const MappedFile* const> files, const QuantizedLinear& linear);

  // The codes of rows [first, last) and columns [begin, end) of the weight, row after row. `first`
  // is a multiple of the layout's row block, `begin` of 64.
  void read_codes(std::uint64_t first, std::uint64_t last, std::uint64_t begin, std::uint64_t end,
                  std::uint8_t* to) const;

  // Of the element (row, column).
  [[nodiscard]] CodeStep step(std::uint64_t row, std::uint64_t column) const;
  // Up to which column the elements of a row have the same step as `column`; more than that.
  [[nodiscard]] std::uint64_t step_end(std::uint64_t column) const;

 private:
  struct Field {  // of a tensor
    const std::byte* data = nullptr;
    std::uint64_t pitch = 0;
  };
  [[nodiscard]] Field field_of(const PackedOperand& operand) const;
  [[nodiscard]] std::uint32_t code(std::uint64_t row, std::uint64_t column) const;
  [[nodiscard]] std::uint64_t group_of(std::uint64_t input) const;
  [[nodiscard]] double scale_at(const Field& field, std::uint64_t line, std::uint64_t index) const;
  [[nodiscard]] CodeStep scaled_step(std::uint64_t row, std::uint64_t column) const;
  [[nodiscard]] double column_factor(std::uint64_t column) const;
  [[nodiscard]] CodeStep table_step(std::uint64_t block) const;
  [[nodiscard]] std::int32_t compressed_zero(std::uint64_t row, std::uint64_t group) const;
  [[nodiscard]] std::int32_t gptq_zero(std::uint64_t output, std::uint64_t group) const;
  [[nodiscard]] std::uint32_t unit_code(const std::byte* column, std::uint64_t pitch,
                                        std::uint64_t input) const;
  [[nodiscard]] std::uint64_t bit_of_unit(std::uint64_t index, std::uint32_t bit) const;
  [[nodiscard]] std::int32_t gptq_bits_zero(std::uint64_t output, std::uint64_t group) const;

  std::span<const MappedFile* const> files_;
  const QuantizedLinear& linear_;
  LayoutId layout_;
  Field codes_;
  Field zeros_;
  Field scales_;
  Field group_index_;
  Field global_scale_;
  std::uint64_t groups_;
  std::uint32_t per_word_;  // codes in 32 bits
  std::uint32_t mask_;      // of a code
};

}  // namespace thaw
