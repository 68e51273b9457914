// The row-major layouts. awq_gemv: codes, scales and zeros of a row lie together. awq_gemv_fast:
// codes of four rows share a line, each row in runs of 16 bytes; scales and zeros by group.
//
// An `Isa` adds to values-inl.h
//   Loaded<kTarget>                              a table in registers, from load_table(table);
//   put_serial<kTarget, kStream>(loaded, from, out)   32 codes, in order, two to a byte;
//   put_units<kTarget, kStream>(loaded, from, out)    32 codes, 8a + u in nibble a of unit u.
#pragma once

#include "kernels/blocks-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kRunBytes = 16;    // 32 codes
inline constexpr std::uint64_t kPrefetch = 1024;  // bytes of codes ahead

template <class Isa, Target kTarget, bool kStream>
void gemv_row(const PackedLinear& linear, std::uint64_t row, unsigned char* out) {
  constexpr std::uint64_t kStep = Isa::template kTableBytes<kTarget>;
  constexpr std::uint64_t kRunOut = kQuarter * sizeof(ElementOf<kTarget>);
  const unsigned char* scales = line(linear[Role::scales], row);
  const unsigned char* zeros =
      linear[Role::zeros].data == nullptr ? nullptr : line(linear[Role::zeros], row);
  const unsigned char* codes = line(linear[Role::codes], row);
  const std::uint64_t groups = linear.in_features / linear.group_size;
  const std::uint64_t runs = linear.group_size / kQuarter;
  alignas(64) unsigned char tables[8 * kStep];
  for (std::uint64_t first = 0; first < groups; first += 8) {
    const std::uint64_t count = groups - first < 8 ? groups - first : 8;
    std::uint16_t padded[8] = {};
    const void* eight = scales + first * 2;
    if (count < 8) {  // the line, or the file, may end here
      __builtin_memcpy(padded, eight, count * 2);
      eight = padded;
    }
    const std::uint32_t zero_word =
        zeros == nullptr ? 0x88888888u : load<std::uint32_t>(zeros + first / 8 * 4);
    eight_product_tables<Isa, kTarget, ZeroOrder::serial>(eight, linear.scale_type, zero_word,
                                                          tables);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto loaded = Isa::template load_table<kTarget>(tables + i * kStep);
      for (std::uint64_t run = 0; run < runs; ++run) {
        if (run % 4 == 0) __builtin_prefetch(codes + kPrefetch, 0, 2);
        Isa::template put_serial<kTarget, kStream>(loaded, codes, out);
        codes += kRunBytes;
        out += kRunOut;
      }
    }
  }
}

template <class Isa, Target kTarget, bool kStream>
void gemv_fast_rows(const PackedLinear& linear, std::uint64_t row, unsigned char* out) {
  constexpr std::uint64_t kStep = Isa::template kTableBytes<kTarget>;
  constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
  constexpr std::uint64_t kRows = AwqGemvFast::kRowBlock;
  const unsigned char* codes = line(linear[Role::codes], row / kRows);
  const std::uint64_t pitch = linear.in_features * kElement;
  alignas(64) unsigned char tables[kRows * kStep];
  const std::uint64_t end = vector_columns(linear);
  for (std::uint64_t k = 0; k < end;) {
    const std::uint64_t group = k / linear.group_size;
    four_sum_tables<Isa, kTarget>(line(linear[Role::scales], group) + row * 2,
                                  line(linear[Role::zeros], group) + row * 2, linear.scale_type,
                                  tables);
    const std::uint64_t begin = k;
    const std::uint64_t group_end = (group + 1) * linear.group_size;
    const std::uint64_t stop = group_end < end ? group_end : end;
    for (std::uint64_t i = 0; i < kRows; ++i) {
      const auto loaded = Isa::template load_table<kTarget>(tables + i * kStep);
      for (k = begin; k < stop; k += kQuarter) {
        const unsigned char* from = codes + k / 64 * 128 + i * 32 + k % 64 / kQuarter * kRunBytes;
        __builtin_prefetch(from + kPrefetch, 0, 2);
        Isa::template put_units<kTarget, kStream>(loaded, from, out + i * pitch + k * kElement);
      }
    }
  }
}

template <class Isa, Target kTarget>
void gemv_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
               void* out, const OutputFormat& format) {
  for_strips<Isa, AwqGemv, kTarget>(
      linear, row_begin, row_end, AwqGemv::kRowBlock, out, format,
      [&](std::uint64_t row, std::uint64_t, unsigned char* to, bool stream) {
        stream ? gemv_row<Isa, kTarget, true>(linear, row, to)
               : gemv_row<Isa, kTarget, false>(linear, row, to);
      });
}

template <class Isa, Target kTarget>
void gemv_fast_all_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                        void* out, const OutputFormat& format) {
  for_strips<Isa, AwqGemvFast, kTarget>(
      linear, row_begin, row_end, AwqGemvFast::kRowBlock, out, format,
      [&](std::uint64_t row, std::uint64_t, unsigned char* to, bool stream) {
        stream ? gemv_fast_rows<Isa, kTarget, true>(linear, row, to)
               : gemv_fast_rows<Isa, kTarget, false>(linear, row, to);
      });
}

}  // namespace
}  // namespace thaw::kernels
