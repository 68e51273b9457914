// ct_pack with vectors: 4-bit codes through tables, as in gemv-inl.h, all others by arithmetic.
#pragma once

#include "kernels/ct-bytes-inl.h"
#include "kernels/gemv-inl.h"

namespace thaw::kernels {
namespace {

// Tables for at most eight groups of a row, `first` and the following. What the vectors leave out,
// among it float32 scales and zeros that no code has, is made one value at a time.
template <class Isa, Target kTarget>
inline void ct_tables(const PackedLinear& linear, const unsigned char* scales, const CtZeros& zeros,
                      std::uint64_t first, std::uint64_t count, unsigned char* tables) {
  constexpr std::size_t kStep = Isa::template kTableBytes<kTarget>;
  alignas(32) float widened[8] = {};
  bool usual = false;
  if (linear.scale_type == FloatType::float32) {
    __builtin_memcpy(widened, scales + first * 4, count * 4);
  } else if (count == 8) {
    usual = Isa::load_scales(scales + first * 2, linear.scale_type, widened);
  } else {  // the line, or the file, may end here
    std::uint16_t padded[8] = {};
    __builtin_memcpy(padded, scales + first * 2, count * 2);
    usual = Isa::load_scales(padded, linear.scale_type, widened);
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const int zero = zeros.at(first + i);
    if (usual && zero >= 0 && zero <= 15) [[likely]] {
      Isa::template product_table<kTarget>(widened[i], zero, tables + i * kStep);
    } else {
      rare_table<Isa, kTarget>(Product{static_cast<double>(widened[i]), zero}, tables + i * kStep);
    }
  }
}

template <class Isa, Target kTarget, bool kStream>
void ct_row(const PackedLinear& linear, std::uint64_t row, unsigned char* out) {
  constexpr std::uint64_t kStep = Isa::template kTableBytes<kTarget>;
  constexpr std::uint64_t kRunOut = kQuarter * sizeof(ElementOf<kTarget>);
  const unsigned char* scales = line(linear[Role::scales], factor_line(linear, row));
  const unsigned char* codes = line(linear[Role::codes], row);
  const CtZeros zeros(linear, row);
  const std::uint64_t runs = vector_columns(linear) / kQuarter;
  const std::uint64_t group_runs =
      linear.group_size < linear.in_features ? linear.group_size / kQuarter : runs;
  const std::uint64_t groups = runs == 0 ? 0 : (runs + group_runs - 1) / group_runs;
  std::uint64_t left = runs;
  alignas(64) unsigned char tables[8 * kStep];
  for (std::uint64_t first = 0; first < groups; first += 8) {
    const std::uint64_t count = groups - first < 8 ? groups - first : 8;
    ct_tables<Isa, kTarget>(linear, scales, zeros, first, count, tables);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto loaded = Isa::template load_table<kTarget>(tables + i * kStep);
      const std::uint64_t now = left < group_runs ? left : group_runs;  // the last may be short
      left -= now;
      for (std::uint64_t run = 0; run < now; ++run) {
        if (run % 4 == 0) __builtin_prefetch(codes + kPrefetch, 0, 2);
        Isa::template put_serial<kTarget, kStream>(loaded, codes, out);
        codes += kRunBytes;
        out += kRunOut;
      }
    }
  }
}

template <class Isa, Target kTarget>
void ct_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end, void* out,
             const OutputFormat& format) {
  if (linear.bits != 4) {
    return ct_byte_rows<Isa, CtPack, kTarget>(linear, row_begin, row_end, out, format);
  }
  const bool whole_runs =
      linear.group_size % kQuarter == 0 || linear.group_size >= linear.in_features;
  if (linear[Role::group_index].data != nullptr || !whole_runs) {
    return ct_plain<CtPack, kTarget>(linear, row_begin, row_end, out);
  }
  const bool stream = can_stream<kTarget>(linear, format);
  const std::uint64_t pitch = linear.in_features * sizeof(ElementOf<kTarget>);
  for (std::uint64_t row = row_begin; row < row_end; ++row) {
    unsigned char* to = static_cast<unsigned char*>(out) + (row - row_begin) * pitch;
    stream ? ct_row<Isa, kTarget, true>(linear, row, to)
           : ct_row<Isa, kTarget, false>(linear, row, to);
  }
  if (stream) Isa::fence();
  ct_columns<CtPack, kTarget>(linear, row_begin, row_end, vector_columns(linear),
                              linear.in_features, out);
}

}  // namespace
}  // namespace thaw::kernels
