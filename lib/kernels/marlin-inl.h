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
inline constexpr std::uint64_t kMarlinBytes = kMarlinRows * 8;  // of a line

template <class Isa, Target kTarget, bool kStream>
class MarlinRows {
 public:
  MarlinRows(const PackedLinear& linear, std::uint64_t row, unsigned char* out)
      : linear_(linear), row_(row), out_(out) {}

  void run() {
    const std::uint64_t end = vector_columns(linear_);
    std::uint64_t k = 0;
    for (; k + kBlock <= end; k += kBlock) {
      const BlockGroups groups(linear_, k);
      if (groups.one) {
        block<kQuarters>(k, groups.group[0]);
      } else {
        for (std::uint64_t i = 0; i < kQuarters; ++i) block<1>(k + i * kQuarter, groups.group[i]);
      }
    }
    for (; k < end; k += kQuarter) block<1>(k, k / linear_.group_size);
  }

 private:
  static constexpr std::uint64_t kStep = Isa::template kTableBytes<kTarget>;
  static constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
  static constexpr std::uint64_t kNoGroup = ~std::uint64_t{0};

  // tables_ in the order of the stored scales, which is not that of the rows.
  void build(std::uint64_t group) {
    const unsigned char* scales = line(linear_.scales, group) + row_ * 2;
    for (std::uint64_t i = 0; i < kMarlinRows; i += 8) {
      eight_product_tables<Isa, kTarget, ZeroOrder::serial>(scales + i * 2, linear_.scale_type,
                                                            0x88888888u, tables_ + i * kStep);
    }
    group_ = group;
  }

  [[nodiscard]] const unsigned char* table(std::uint64_t row) const {
    const bool one_group = linear_.group_size == linear_.in_features;
    const std::uint64_t column = one_group
                                     ? row / 32 * 32 + row % 8 / 2 * 8 + row % 32 / 8 * 2 + row % 2
                                     : row % 8 * 8 + row / 8;
    return tables_ + column * kStep;
  }

  // kCount quarters of 32 columns, all in one group.
  template <std::uint64_t kCount>
  void block(std::uint64_t k, std::uint64_t group) {
    if (group != group_) build(group);
    const std::uint64_t pitch = linear_.in_features * kElement;
    const unsigned char* from = line(linear_.qweight, k / 16) + row_ * 8;
    for (std::uint64_t m = 0; m < 8; ++m) {
      alignas(64) unsigned char runs[kCount][8 * kRunBytes];
      for (std::uint64_t i = 0; i < kCount; ++i) {
        const unsigned char* first = from + 2 * i * linear_.qweight.pitch + m * 64;
        const unsigned char* second = first + linear_.qweight.pitch;
        __builtin_prefetch(first + 8 * linear_.qweight.pitch, 0, 2);
        __builtin_prefetch(second + 8 * linear_.qweight.pitch, 0, 2);
        Isa::marlin_units(first, second, runs[i]);
      }
      for (std::uint64_t j = 0; j < 8; ++j) {
        const std::uint64_t row = j % 4 * 16 + j / 4 * 8 + m;
        const auto loaded = Isa::template load_table<kTarget>(table(row));
        unsigned char* to = out_ + row * pitch + k * kElement;
        for (std::uint64_t i = 0; i < kCount; ++i) {
          Isa::template put_units<kTarget, kStream>(loaded, runs[i] + j * kRunBytes,
                                                    to + i * kQuarter * kElement);
        }
      }
    }
  }

  const PackedLinear& linear_;
  const std::uint64_t row_;
  unsigned char* const out_;
  std::uint64_t group_ = kNoGroup;
  alignas(64) unsigned char tables_[kMarlinRows * kStep];
};

template <class Isa, Target kTarget>
void marlin_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                 void* out, const OutputFormat& format) {
  row_major<Isa, AwqMarlin, kTarget>(linear, row_begin, row_end, out, format,
                                     [&](std::uint64_t row, unsigned char* to, bool stream) {
                                       stream
                                           ? MarlinRows<Isa, kTarget, true>(linear, row, to).run()
                                           : MarlinRows<Isa, kTarget, false>(linear, row, to).run();
                                     });
}

}  // namespace
}  // namespace thaw::kernels
