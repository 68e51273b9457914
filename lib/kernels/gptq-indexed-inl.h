// gptq_rows with act-order: many lines of a piece of 128 outputs are kept, and their rows made
// group by group, so that few rows wait for scales and zeros of their own.
#pragma once

#include "kernels/gptq-piece-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kKeptLines = 64;

// Rows by their groups, as far as a byte tells those apart: many groups may share a byte, which
// costs time only.
class RowsByGroup {
 public:
  // Rows [begin, end), at most kMost.
  RowsByGroup(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end)
      : count_(end - begin) {
    std::uint16_t starts[257] = {};
    for (std::uint64_t i = 0; i < count_; ++i) {
      groups_[i] = group_of_input(linear, begin + i);
      ++starts[groups_[i] % 256 + 1];
    }
    for (std::uint64_t i = 1; i < 256; ++i) {
      starts[i] = static_cast<std::uint16_t>(starts[i] + starts[i - 1]);
    }
    for (std::uint64_t i = 0; i < count_; ++i) {
      rows_[starts[groups_[i] % 256]++] = static_cast<std::uint16_t>(i);
    }
  }

  static constexpr std::uint64_t kMost = kKeptLines * 8;

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t row(std::uint64_t i) const { return rows_[i]; }  // less begin
  [[nodiscard]] std::uint64_t group(std::uint64_t row) const { return groups_[row]; }

 private:
  const std::uint64_t count_;
  std::uint16_t rows_[kMost];
  std::uint64_t groups_[kMost];
};

// Rows [begin, end), of at most kKeptLines lines, in any order of groups. `out` is where `begin`
// goes.
template <class Isa, Target kTarget, std::uint32_t kBits, bool kStream>
[[gnu::noinline]] void gptq_rows_by_group(const PackedLinear& linear, std::uint64_t begin,
                                          std::uint64_t end, unsigned char* out) {
  using Piece = GptqPiece<Isa, kTarget, kBits, kStream>;
  constexpr std::uint64_t kPerWord = Piece::kPerWord;
  const std::uint64_t pitch = linear.in_features * Piece::kElement;
  const RowsByGroup rows(linear, begin, end);
  alignas(64) std::uint32_t words[kKeptLines][kBlock];
  Piece piece;
  for (std::uint64_t output = 0; output < linear.in_features; output += kBlock) {
    const std::uint64_t left = linear.in_features - output;
    piece.start(output, left < kBlock ? left : kBlock);
    for (std::uint64_t row = begin; row < end; row += kPerWord) {
      piece.arrange(linear, row, words[(row - begin) / kPerWord]);
    }
    const unsigned char* next = line(linear[Role::codes], begin / kPerWord) + (output + kBlock) * 4;
    unsigned char* to = out + output * Piece::kElement;
    for (std::uint64_t i = 0; i < rows.count(); ++i) {
      for (std::uint64_t n = 0; n < Piece::kShare; ++n) {
        __builtin_prefetch(next + i / kPerWord * linear[Role::codes].pitch +
                           (i % kPerWord * Piece::kShare + n) * 64);
      }
      const std::uint64_t row = rows.row(i);
      piece.put(linear, words[row / kPerWord], begin + row, rows.group(row), to + row * pitch);
    }
  }
}

// Rows [row_begin, row_end) in any order of groups; `out` is where they go.
template <class Isa, Target kTarget, std::uint32_t kBits, bool kStream>
void gptq_rows_indexed(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                       unsigned char* out) {
  constexpr std::uint64_t kRows = kKeptLines * 32 / kBits;
  const std::uint64_t pitch = linear.in_features * sizeof(ElementOf<kTarget>);
  for (std::uint64_t row = row_begin; row < row_end; row += kRows) {
    gptq_rows_by_group<Isa, kTarget, kBits, kStream>(linear, row,
                                                     row_end - row < kRows ? row_end : row + kRows,
                                                     out + (row - row_begin) * pitch);
  }
}

}  // namespace
}  // namespace thaw::kernels
