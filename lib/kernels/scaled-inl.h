// Scaled elements: which body makes which. E2M1 is looked up as other codes of 4 bits are, in a
// table for each byte that a scale may be.
//
// An `Isa` adds to gemv-inl.h
//   put_serial_pair<kTarget, kStream>(first, second, from, out)   as put_serial, sixteen codes with
//                                                                 each of two loaded tables.
#pragma once

#include "kernels/float8-inl.h"
#include "kernels/gemv-inl.h"

namespace thaw::kernels {
namespace {

template <class Isa, Target kTarget>
struct VectorFloat4 {
  ElementOf<kTarget> values[16];
  alignas(64) unsigned char table[Isa::template kTableBytes<kTarget>];
  void fill(const ElementOf<kTarget>* from) {
    __builtin_memcpy(values, from, sizeof values);
    Isa::template pack_table<kTarget>(values, table);
  }
};

template <class Isa, Target kTarget, bool kStream>
inline void float4_row(const PackedLinear& linear, std::uint64_t row,
                       Float4Tables<kTarget, VectorFloat4<Isa, kTarget>>& tables,
                       unsigned char* out) {
  const unsigned char* codes = line(linear[Role::codes], row);
  const unsigned char* scales = ScaleLine(linear, row).scales;
  const std::uint64_t end = vector_columns(linear);
  const bool pairs = linear.group_size == kQuarter / 2;
  for (std::uint64_t k = 0; k < end; k += kQuarter) {
    if (k % (4 * kQuarter) == 0) __builtin_prefetch(codes + k / 2 + kPrefetch, 0, 2);
    unsigned char* to = out + k * sizeof(ElementOf<kTarget>);
    const std::uint64_t group = k / linear.group_size;
    const auto first = Isa::template load_table<kTarget>(tables.at(scales[group]).table);
    if (pairs) {
      const auto second = Isa::template load_table<kTarget>(tables.at(scales[group + 1]).table);
      Isa::template put_serial_pair<kTarget, kStream>(first, second, codes + k / 2, to);
    } else {
      Isa::template put_serial<kTarget, kStream>(first, codes + k / 2, to);
    }
  }
  float4_columns<kTarget>(linear, row, end, tables, reinterpret_cast<ElementOf<kTarget>*>(out));
}

template <class Isa, Target kTarget>
inline void float4_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                        void* out, const OutputFormat& format) {
  const bool fits = linear.group_size % kQuarter == 0 || linear.group_size == kQuarter / 2;
  if (!fits) return scaled_plain<kTarget>(linear, row_begin, row_end, out);
  Float4Tables<kTarget, VectorFloat4<Isa, kTarget>> tables(linear);
  const bool stream = can_stream<kTarget>(linear, format);
  const std::uint64_t pitch = linear.in_features * sizeof(ElementOf<kTarget>);
  for (std::uint64_t row = row_begin; row < row_end; ++row) {
    unsigned char* to = static_cast<unsigned char*>(out) + (row - row_begin) * pitch;
    stream ? float4_row<Isa, kTarget, true>(linear, row, tables, to)
           : float4_row<Isa, kTarget, false>(linear, row, tables, to);
  }
  if (stream) Isa::fence();
}

template <class Isa, Target kTarget>
void scaled_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                 void* out, const OutputFormat& format) {
  switch (linear.scaled.element) {
    case SmallFloat::e4m3:
      return float8_rows<Isa, SmallFloat::e4m3, kTarget>(linear, row_begin, row_end, out, format);
    case SmallFloat::e5m2:
      return float8_rows<Isa, SmallFloat::e5m2, kTarget>(linear, row_begin, row_end, out, format);
    case SmallFloat::e2m1:
      return float4_rows<Isa, kTarget>(linear, row_begin, row_end, out, format);
  }
}

}  // namespace
}  // namespace thaw::kernels
