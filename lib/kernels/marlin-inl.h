// Marlin's layout: a line holds 16 columns of all rows, 512 bytes for 64 rows. Of those, the 64
// bytes at 64 m hold rows m, m + 8, ... m + 56: word 4 t + j belongs to rows 16 j + m and
// 16 j + 8 + m. Turned by words, so that lane j has words j, 4 + j, 8 + j, 12 + j, a lane is eight
// 16-bit units, and column 8 a + u of the line is nibble a (row 16 j + m) or 2 + a (16 j + 8 + m)
// of unit u. Two lines therefore give runs of 32 columns of the form that put_units takes.
//
// An `Isa` adds to gemv-inl.h
//   marlin_units(first, second, out)  64 bytes of two lines to eight runs of 16 bytes: lane j of
//                                     the first four runs is row 16 j + m, the others 8 more.
#pragma once

#include "kernels/gemv-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kMarlinRows = AwqMarlin::kRowBlock;
inline constexpr std::uint64_t kMarlinChunks = 8;  // 512 rows: 4 KiB of each line

template <class Isa, Target kTarget, bool kStream>
class MarlinStrip {
 public:
  // `rows` output rows from `row` on, a multiple of 64 and at most 512; `out` is where they go.
  MarlinStrip(const PackedLinear& linear, std::uint64_t row, std::uint64_t rows, unsigned char* out)
      : linear_(linear), row_(row), chunks_(rows / kMarlinRows), out_(out) {}

  void run() { walk_strip(*this, linear_, chunks_); }

  // --- of walk_strip

  template <std::uint64_t kCount>
  void start(std::uint64_t) {}

  unsigned char* tables(std::uint64_t chunk) { return tables_ + chunk * kMarlinRows * kStep; }

  // The tables of 64 rows, in the order of the stored scales, which is not that of the rows.
  void build(std::uint64_t chunk, std::uint64_t group, unsigned char* tables) const {
    const std::uint64_t first = chunk * kMarlinRows;
    const unsigned char* scales = line(linear_[Role::scales], group) + (row_ + first) * 2;
    for (std::uint64_t i = 0; i < kMarlinRows; i += 8) {
      eight_product_tables<Isa, kTarget, ZeroOrder::serial>(scales + i * 2, linear_.scale_type,
                                                            0x88888888u, tables + i * kStep);
    }
  }

  template <std::uint64_t kCount, bool kOneTable>
  void emit(std::uint64_t k, std::uint64_t chunk, unsigned char* const* tables) const {
    const std::uint64_t first_row = chunk * kMarlinRows;
    const std::uint64_t pitch = linear_.in_features * kElement;
    const unsigned char* from = line(linear_[Role::codes], k / 16) + (row_ + first_row) * 8;
    unsigned char* out = out_ + first_row * pitch + k * kElement;
    prefetch_factors(linear_, k, row_, first_row, kMarlinRows);
    for (std::uint64_t m = 0; m < 8; ++m) {
      alignas(64) unsigned char runs[kCount][8 * kRunBytes];
      for (std::uint64_t i = 0; i < kCount; ++i) {
        const unsigned char* first = from + 2 * i * linear_[Role::codes].pitch + m * 64;
        const unsigned char* second = first + linear_[Role::codes].pitch;
        __builtin_prefetch(first + kBlock / 16 * linear_[Role::codes].pitch);
        __builtin_prefetch(second + kBlock / 16 * linear_[Role::codes].pitch);
        Isa::marlin_units(first, second, runs[i]);
      }
      for (std::uint64_t j = 0; j < 8; ++j) {
        const std::uint64_t row = j % 4 * 16 + j / 4 * 8 + m;
        const std::uint64_t at = stored_place(row) * kStep;
        auto loaded = Isa::template load_table<kTarget>(tables[0] + at);
        for (std::uint64_t i = 0; i < kCount; ++i) {
          if (!kOneTable && i != 0) loaded = Isa::template load_table<kTarget>(tables[i] + at);
          Isa::template put_units<kTarget, kStream>(loaded, runs[i] + j * kRunBytes,
                                                    out + row * pitch + i * kQuarter * kElement);
        }
      }
    }
  }

 private:
  static constexpr std::uint64_t kStep = Isa::template kTableBytes<kTarget>;
  static constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);

  // The place among 64 stored scales, and so among the tables, of a row.
  [[nodiscard]] std::uint64_t stored_place(std::uint64_t row) const {
    const bool one_group = linear_.group_size == linear_.in_features;
    return one_group ? row / 32 * 32 + row % 8 / 2 * 8 + row % 32 / 8 * 2 + row % 2
                     : row % 8 * 8 + row / 8;
  }

  const PackedLinear& linear_;
  const std::uint64_t row_;
  const std::uint64_t chunks_;
  unsigned char* const out_;
  alignas(64) unsigned char tables_[kMarlinChunks * kMarlinRows * kStep];
};

template <class Isa, Target kTarget, bool kStream>
[[gnu::noinline]] void marlin_strip(const PackedLinear& linear, std::uint64_t row,
                                    std::uint64_t rows, unsigned char* out) {
  MarlinStrip<Isa, kTarget, kStream>(linear, row, rows, out).run();
}

template <class Isa, Target kTarget>
void marlin_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                 void* out, const OutputFormat& format) {
  for_strips<Isa, AwqMarlin, kTarget>(
      linear, row_begin, row_end, kMarlinChunks * kMarlinRows, out, format,
      [&](std::uint64_t row, std::uint64_t rows, unsigned char* to, bool stream) {
        stream ? marlin_strip<Isa, kTarget, true>(linear, row, rows, to)
               : marlin_strip<Isa, kTarget, false>(linear, row, rows, to);
      });
}

}  // namespace
}  // namespace thaw::kernels
