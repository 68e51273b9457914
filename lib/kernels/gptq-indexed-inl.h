// gptq_rows with act-order: many lines of a piece of 128 outputs are kept, and their rows made
// group by group, so that few rows wait for scales and zeros of their own.
#pragma once

#include "kernels/gptq-factors-inl.h"

namespace thaw::kernels {
namespace {

// Rows of up to 128 outputs, and the scales and zeros of one group of them.
template <class Isa, Target kTarget, std::uint32_t kBits, bool kStream>
class GptqPiece {
 public:
  static constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
  static constexpr std::uint64_t kPerWord = 32 / kBits;

  // Outputs [output, output + count), at most 128.
  void start(std::uint64_t output, std::uint64_t count) {
    output_ = output;
    count_ = count;
    factors_.forget();
  }

  // Words of the line that has `input`, as put() wants them: 128 of them, aligned.
  void arrange(const PackedLinear& linear, std::uint64_t input, std::uint32_t* words) const {
    const unsigned char* from = line(linear.qweight, input / kPerWord) + output_ * 4;
    alignas(64) unsigned char padded[kBlock * 4];
    if (count_ < kBlock) {  // the line, or the file, may end here
      __builtin_memset(padded, 0, sizeof padded);
      __builtin_memcpy(padded, from, count_ * 4);
      from = padded;
    }
    for (std::uint64_t i = 0; i < kBlock; i += 16) {
      Isa::template order_sixteen<kTarget>(from + i * 4, words + i);
    }
  }

  // The row `input`, which is of `group`. `to` is where the first of its outputs goes.
  [[gnu::always_inline]] void put(const PackedLinear& linear, const std::uint32_t* words,
                                  std::uint64_t input, std::uint64_t group, unsigned char* to) {
    if (!factors_.holds(group)) factors_.template load<kBits>(linear, group, output_, count_);
    const auto shift = static_cast<std::uint32_t>(input % kPerWord * kBits);
    if (count_ == kBlock && !factors_.rare() && !kThrough) [[likely]] {
      return factors_.template put_row<kBits, kStream>(words, shift, to);
    }
    alignas(64) unsigned char values[kBlock * kElement];
    factors_.template put_row<kBits, false>(words, shift, values);
    for (std::uint64_t n = 0; factors_.rare() && n < count_; ++n) {
      put_rare_product<kTarget>(linear, group, input, output_ + n, values + n * kElement);
    }
    if constexpr (kStream) {
      store_lines<Isa, true>(to, values, count_ * kElement);
    } else {
      __builtin_memcpy(to, values, count_ * kElement);
    }
  }

 private:
  // Where put_thirty_two has no non-temporal stores.
  static constexpr bool kThrough = kStream && kTarget == Target::float32;

  std::uint64_t output_ = 0;
  std::uint64_t count_ = 0;
  PieceFactors<Isa, kTarget> factors_;
};

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
  constexpr std::uint64_t kShare = 8 / kPerWord;  // of a piece's 8 cache lines, a row's
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
    const unsigned char* next = line(linear.qweight, begin / kPerWord) + (output + kBlock) * 4;
    unsigned char* to = out + output * Piece::kElement;
    for (std::uint64_t i = 0; i < rows.count(); ++i) {
      for (std::uint64_t n = 0; n < kShare; ++n) {
        __builtin_prefetch(next + i / kPerWord * linear.qweight.pitch +
                           (i % kPerWord * kShare + n) * 64);
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
