// GPTQ in any order of groups, and at the edges of a weight: the values of 16 outputs are made as
// they lie, input by input, rounded, and then turned, blocks of 128 columns at a time.
//
// An `Isa` has the steps of products-inl.h and
//   turn_4x4(from, from_pitch, to, to_pitch)   four rows of four 32-bit words, transposed;
//   unit_place(c), kUpperUnits                 where the 16 units of a column of 32 go before they
//                                              are turned: eight at unit_place(c), eight after it;
//   turn_units(from, to, to_pitch)             those 32 columns to 16 rows of 64 bytes;
//   fence()                                    after non-temporal stores.
#pragma once

#include "kernels/gptq-factors-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kKeptGroups = 256;
// Lines lie far apart, each on a page of its own and often in the same cache sets: what is read of
// them at a time must be long, and not of more lines than a processor remembers.
inline constexpr std::uint64_t kTurnedOutputs = 512;
inline constexpr std::uint64_t kTurnedColumns = 8 * kBlock;

// One block of 16 outputs, between making and storing.
template <class Isa, Target kTarget>
class TurnedBlock {
 public:
  static constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);

  // Where the first eight values of a column go.
  unsigned char* low(std::uint64_t c) {
    if constexpr (kElement == 4) return columns_ + c * kColumn;
    return columns_ + c / kQuarter * (kQuarter * kColumn) + Isa::unit_place(c % kQuarter);
  }
  // From there to the other eight, and to the first of the column eight further.
  static constexpr std::uint64_t kUpper = kElement == 4 ? 32 : Isa::kUpperUnits;
  static constexpr std::uint64_t kNext = kElement == 4 ? 8 * 64 : Isa::unit_place(8);

  // Column c of the first row, once turned, and the bytes from one row to the next.
  unsigned char* turned(std::uint64_t c) { return rows_[0] + c * kElement; }
  static constexpr std::uint64_t kRow = kBlock * kElement;

  void turn() {
    if constexpr (kElement == 4) {
      for (std::uint64_t c = 0; c < kBlock; c += 4) {
        for (std::uint64_t n = 0; n < kGptqOutputs; n += 4) {
          Isa::turn_4x4(columns_ + c * kColumn + n * 4, kColumn, rows_[n] + c * 4, sizeof rows_[0]);
        }
      }
    } else {
      for (std::uint64_t i = 0; i < kQuarters; ++i) {
        Isa::turn_units(columns_ + i * kQuarter * kColumn, rows_[0] + i * 64, sizeof rows_[0]);
      }
    }
  }

  // Columns [0, columns) of `count` rows, turned, to rows `pitch` bytes apart.
  template <bool kStream>
  void put_rows(std::uint64_t count, std::uint64_t columns, unsigned char* out,
                std::uint64_t pitch) const {
    for (std::uint64_t n = 0; n < count; ++n) {
      if constexpr (kStream) {
        store_lines<Isa, true>(out + n * pitch, rows_[n], columns * kElement);
      } else if (columns == kBlock) {  // a size that the compiler knows: else it takes rep movs
        store_lines<Isa, false>(out + n * pitch, rows_[n], kBlock * kElement);
      } else {
        __builtin_memcpy(out + n * pitch, rows_[n], columns * kElement);
      }
    }
  }

 private:
  static constexpr std::uint64_t kColumn = kGptqOutputs * kElement;

  alignas(64) unsigned char columns_[kBlock * kColumn] = {};
  alignas(64) unsigned char rows_[kGptqOutputs][kRow];
};

template <class Isa, Target kTarget>
constexpr bool turns_in_registers() {
  if constexpr (Isa::kFuses) return Isa::Turned::template kServes<kTarget>;
  return false;
}

template <class Isa, Target kTarget, std::uint32_t kBits, bool kStream>
class GptqTurned {
 public:
  // Up to kTurnedColumns columns from `begin` on, a multiple of 32.
  GptqTurned(const PackedLinear& linear, std::uint64_t begin, std::uint64_t end)
      : linear_(linear), begin_(begin), end_(end) {
    std::uint64_t last = 0;
    first_group_ = ~std::uint64_t{0};
    for (std::uint64_t k = begin; k < end; ++k) {
      const std::uint64_t group = group_of_input(linear, k);
      groups_[k - begin] = group;
      if (group < first_group_) first_group_ = group;
      if (group > last) last = group;
    }
    group_count_ = last - first_group_ + 1;
    keeps_all_ = group_count_ <= kKeptGroups;
    for (std::uint64_t i = 0; i < end - begin; ++i) {
      groups_[i] -= first_group_;
      factors_of_[i] = factors_ + (keeps_all_ ? groups_[i] : 0);
    }
  }

  // `count` rows, at most 16, from `row` on, a multiple of 8. `out` is where column 0 goes.
  void run(std::uint64_t row, std::uint64_t count, unsigned char* out) {
    row_ = row;
    count_ = count;
    loaded_ = ~std::uint64_t{0};
    const bool whole = keeps_all_ && count == kGptqOutputs;
    bool fused = false;
    if constexpr (Isa::kFuses) fused = whole && load_fused();
    bool usual = !fused && keeps_all_ && load_all() && whole;
    for (std::uint64_t k = begin_; k < end_; k += kBlock) {
      const std::uint64_t columns = end_ - k < kBlock ? end_ - k : kBlock;
      if (fused && columns == kBlock) {
        if constexpr (kTurns) {
          make_turned(k);
        } else if constexpr (Isa::kFuses) {
          make_block<true>(k);
        }
      } else if (usual && columns == kBlock) {
        make_block<false>(k);
      } else {
        if (fused) load_all();  // the last columns
        make_columns(k, columns);
      }
      block_.template put_rows<kStream>(count, columns, out + k * kElement,
                                        linear_.in_features * kElement);
    }
  }

 private:
  static constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
  static constexpr std::uint64_t kPerWord = 32 / kBits;
  static constexpr bool kTurns = turns_in_registers<Isa, kTarget>();

  bool load(std::uint64_t group, std::uint64_t place) {
    SixteenFactors& to = factors_[place];
    const bool usual = load_factors<Isa, kTarget, kBits>(linear_, first_group_ + group, row_,
                                                         count_, to.scales, to.zeros);
    rare_[place] = !usual;
    return usual;
  }

  bool load_all() {
    bool usual = true;
    for (std::uint64_t i = 0; i < group_count_; ++i) usual = load(i, i) && usual;
    return usual;
  }

  // False as soon as a scale does not fuse.
  bool load_fused() {
    constexpr Target kOrder = kTurns ? Target::float16 : kTarget;
    for (std::uint64_t i = 0; i < group_count_; ++i) {
      if (!Isa::FusedFactors::template load<kOrder, kBits>(linear_, first_group_ + i, row_,
                                                           kGptqOutputs, factors_[i].scales,
                                                           factors_[i].zeros)) {
        return false;
      }
    }
    return true;
  }

  // What follows leaves columns in block_, turned to rows.

  // 128 columns whose groups are all kept, none of them rare, of 16 rows.
  template <bool kFused>
  void make_block(std::uint64_t k) {
    using Block = TurnedBlock<Isa, kTarget>;
    constexpr std::uint64_t kLines = 16 / kPerWord;
    const unsigned char* from = line(linear_[Role::codes], k / kPerWord) + row_ * 4;
    const std::uint64_t pitch = linear_[Role::codes].pitch;
    for (std::uint64_t c = 0; c < kBlock; c += 16, from += kLines * pitch) {
      alignas(64) std::uint32_t words[kLines][kGptqOutputs];
      for (std::uint64_t i = 0; i < kLines; ++i) {
        __builtin_prefetch(from + i * pitch + kGptqOutputs * 4);  // of the next 16 outputs
        Isa::template order_sixteen<kTarget>(from + i * pitch, words[i]);
      }
      const SixteenFactors* const* factors = factors_of_ + (k - begin_ + c);
      unsigned char* const to = block_.low(c);
#pragma GCC unroll 8
      for (std::uint64_t i = 0; i < 8; ++i) {
        const auto shift = static_cast<std::uint32_t>(i % kPerWord * kBits);
        const SixteenFactors& at = *factors[i];
        const SixteenFactors& next = *factors[8 + i];
        alignas(64) float a[16];
        alignas(64) float b[16];
        multiply_codes<Isa, kBits, kFused>(words[i / kPerWord], shift, at.scales, at.zeros, a);
        multiply_codes<Isa, kBits, kFused>(words[(8 + i) / kPerWord], shift, next.scales,
                                           next.zeros, b);
        Isa::template put_thirty_two<kTarget, false, Block::kUpper, Block::kNext, kFused>(
            a, b, to + (block_.low(i) - block_.low(0)));
      }
    }
    block_.turn();
  }

  // The same, made as rows.
  void make_turned(std::uint64_t k) {
    constexpr std::uint64_t kLines = 16 / kPerWord;
    const unsigned char* from = line(linear_[Role::codes], k / kPerWord) + row_ * 4;
    const std::uint64_t pitch = linear_[Role::codes].pitch;
    for (std::uint64_t c = 0; c < kBlock; c += 16, from += kLines * pitch) {
      for (std::uint64_t i = 0; i < kLines; ++i) {
        __builtin_prefetch(from + i * pitch + kGptqOutputs * 4);  // of the next 16 outputs
      }
      Isa::Turned::template put_sixteen_columns<kBits>(from, pitch, factors_of_ + (k - begin_ + c),
                                                       block_.turned(c), block_.kRow);
    }
  }

  // Any columns.
  void make_columns(std::uint64_t k, std::uint64_t columns) {
    constexpr std::uint64_t kHalf = 8 * kElement;
    for (std::uint64_t c = 0; c < columns; ++c) {
      alignas(64) std::uint32_t words[kGptqOutputs] = {};  // the line, or the file, may end here
      __builtin_memcpy(words, line(linear_[Role::codes], (k + c) / kPerWord) + row_ * 4,
                       count_ * 4);
      alignas(64) std::uint32_t arranged[kGptqOutputs];
      Isa::template order_sixteen<kTarget>(words, arranged);
      const std::uint64_t group = groups_[k - begin_ + c];
      if (!keeps_all_) {
        if (group != loaded_) load(group, 0);
        loaded_ = group;
      }
      const SixteenFactors& at = *factors_of_[k - begin_ + c];
      alignas(64) float values[kGptqOutputs];
      alignas(64) unsigned char rounded[4 * kHalf];
      multiply_codes<Isa, kBits>(arranged, static_cast<std::uint32_t>((k + c) % kPerWord * kBits),
                                 at.scales, at.zeros, values);
      Isa::template put_thirty_two<kTarget, false, kHalf, 2 * kHalf, false>(values, values,
                                                                            rounded);
      for (std::uint64_t n = 0; rare_[&at - factors_] && n < count_; ++n) {
        put_rare_product<kTarget>(linear_, first_group_ + group, k + c, row_ + n,
                                  rounded + n * kElement);
      }
      unsigned char* to = block_.low(c);
      __builtin_memcpy(to, rounded, kHalf);
      __builtin_memcpy(to + TurnedBlock<Isa, kTarget>::kUpper, rounded + kHalf, kHalf);
    }
    block_.turn();
  }

  const PackedLinear& linear_;
  const std::uint64_t begin_;
  const std::uint64_t end_;
  std::uint64_t first_group_;
  std::uint64_t group_count_;  // from first_group_ on
  bool keeps_all_;             // their scales and zeros; else those of loaded_ only, at place 0
  std::uint64_t loaded_ = 0;
  std::uint64_t row_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t groups_[kTurnedColumns];  // less first_group_
  bool rare_[kKeptGroups];
  const SixteenFactors* factors_of_[kTurnedColumns];
  SixteenFactors factors_[kKeptGroups];
  TurnedBlock<Isa, kTarget> block_;
};

// Columns [begin, end) of rows [row_begin, row_end); `out` is where column 0 of row_begin goes.
template <class Isa, Target kTarget, std::uint32_t kBits, bool kStream>
[[gnu::noinline]] void gptq_turned_rows(const PackedLinear& linear, std::uint64_t row_begin,
                                        std::uint64_t row_end, std::uint64_t begin,
                                        std::uint64_t end, unsigned char* out) {
  const std::uint64_t pitch = linear.in_features * sizeof(ElementOf<kTarget>);
  for (std::uint64_t row = row_begin; row < row_end; row += kTurnedOutputs) {
    const std::uint64_t last = row_end - row < kTurnedOutputs ? row_end : row + kTurnedOutputs;
    for (std::uint64_t k = begin; k < end; k += kTurnedColumns) {
      GptqTurned<Isa, kTarget, kBits, kStream> turned(
          linear, k, end - k < kTurnedColumns ? end : k + kTurnedColumns);
      for (std::uint64_t n = row; n < last; n += kGptqOutputs) {
        const std::uint64_t count = last - n < kGptqOutputs ? last - n : kGptqOutputs;
        turned.run(n, count, out + (n - row_begin) * pitch);
      }
    }
  }
}

template <class Isa, Target kTarget, std::uint32_t kBits>
inline void gptq_turned_bits(const PackedLinear& linear, std::uint64_t row_begin,
                             std::uint64_t row_end, std::uint64_t begin, std::uint64_t end,
                             unsigned char* out, bool stream) {
  stream
      ? gptq_turned_rows<Isa, kTarget, kBits, true>(linear, row_begin, row_end, begin, end, out)
      : gptq_turned_rows<Isa, kTarget, kBits, false>(linear, row_begin, row_end, begin, end, out);
}

template <class Isa, Target kTarget>
void gptq_turned(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                 std::uint64_t begin, std::uint64_t end, void* out, const OutputFormat& format) {
  if (begin == end || row_begin == row_end) return;
  auto* const bytes = static_cast<unsigned char*>(out);
  const bool stream = can_stream<kTarget>(linear, format);
  linear.bits == 4
      ? gptq_turned_bits<Isa, kTarget, 4>(linear, row_begin, row_end, begin, end, bytes, stream)
      : gptq_turned_bits<Isa, kTarget, 8>(linear, row_begin, row_end, begin, end, bytes, stream);
  if (stream) Isa::fence();
}

}  // namespace
}  // namespace thaw::kernels
