// The codes of a byte, of ct_pack and ct_int8, and those of ct_pack that are spread to bytes first.
// Up to 256 values a group would make too large a table for vectors: products-inl.h.
#pragma once

#include "kernels/ct-plain-inl.h"
#include "kernels/products-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kBytesAhead = 1024;

// A quarter of stored bytes as codes. The codes of ct_int8 are put into `made`.
template <class Layout>
[[gnu::always_inline]] inline const unsigned char* byte_codes(const unsigned char* from,
                                                              unsigned char* made) {
  if constexpr (Layout::kId != LayoutId::ct_int8) return from;
  typedef unsigned char Bytes __attribute__((vector_size(16)));
  for (std::uint64_t i = 0; i < kQuarter; i += sizeof(Bytes)) {
    Bytes bytes;
    __builtin_memcpy(&bytes, from + i, sizeof bytes);
    bytes ^= 0x80;
    __builtin_memcpy(made + i, &bytes, sizeof bytes);
  }
  return made;
}

// A run of fewer than 32 codes.
template <class Isa, class Layout, Target kTarget>
inline void put_few_bytes(const ByteFactors& factors, const unsigned char* codes,
                          std::uint64_t count, unsigned char* out) {
  alignas(64) unsigned char padded[kQuarter] = {};
  alignas(64) unsigned char values[kQuarter * sizeof(ElementOf<kTarget>)];
  __builtin_memcpy(padded, codes, count);
  alignas(64) unsigned char made[kQuarter];
  put_bytes<Isa, kTarget, false>(factors, byte_codes<Layout>(padded, made), values);
  __builtin_memcpy(out, values, count * sizeof(ElementOf<kTarget>));
}

// In a function of its own where there are also fused ones: see GptqPiece.
template <class Isa, Target kTarget, bool kStream>
[[gnu::noinline]] void put_bytes_apart(const ByteFactors& factors, const unsigned char* codes,
                                       unsigned char* out) {
  put_bytes<Isa, kTarget, kStream>(factors, codes, out);
}

// What a run of codes shares, of a 16-bit scale.
template <class Isa>
[[gnu::always_inline]] inline ByteFactors byte_factors(float scale, int zero_code) {
  const bool fused = Isa::kFuses && scale >= kLeastFused && scale <= kMostFused;
  const auto zero = static_cast<float>(zero_code);
  const bool rare = !(__builtin_fabsf(scale) < kRareMagnitude);
  return {scale, fused ? zero * scale : zero, rare, fused};
}

// Columns [begin, end) of a row, of which `codes` has the bytes from `begin` on; `out` is where
// column 0 goes. factors_of(group) are the ByteFactors of a group.
template <class Isa, class Layout, Target kTarget, bool kStream, class FactorsOf>
[[gnu::always_inline]] inline void byte_columns(const unsigned char* codes,
                                                std::uint64_t group_size, std::uint64_t begin,
                                                std::uint64_t end, const FactorsOf& factors_of,
                                                unsigned char* out) {
  constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
  std::uint64_t group = begin / group_size;
  for (std::uint64_t k = begin; k < end; ++group) {
    const std::uint64_t group_end = (group + 1) * group_size;
    const std::uint64_t stop = group_end < end ? group_end : end;
    const ByteFactors factors = factors_of(group);
    for (; k + kQuarter <= stop; k += kQuarter) {
      if (k % (4 * kQuarter) == 0) __builtin_prefetch(codes + (k - begin) + kBytesAhead, 0, 2);
      alignas(64) unsigned char made[kQuarter];
      const unsigned char* from = byte_codes<Layout>(codes + (k - begin), made);
      if constexpr (!Isa::kFuses) {
        put_bytes<Isa, kTarget, kStream>(factors, from, out + k * kElement);
      } else if (factors.fused) {
        put_usual_bytes<Isa, kTarget, kStream, true>(factors, from, out + k * kElement);
      } else {
        put_bytes_apart<Isa, kTarget, kStream>(factors, from, out + k * kElement);
      }
    }
    if (k == stop) continue;
    put_few_bytes<Isa, Layout, kTarget>(factors, codes + (k - begin), stop - k, out + k * kElement);
    k = stop;
  }
}

// Codes of fewer bits are spread, so many at a time.
inline constexpr std::uint64_t kSpreadColumns = 1024;

// Calls make(bytes, begin, end) for each run of a row's `columns` codes, spread to a byte each.
template <class Make>
[[gnu::always_inline]] inline void spread_row(const unsigned char* codes, std::uint64_t columns,
                                              std::uint32_t bits, const Make& make) {
  const std::uint64_t size = (columns * bits + 7) / 8;
  for (std::uint64_t k = 0; k < columns; k += kSpreadColumns) {
    const std::uint64_t end = columns - k < kSpreadColumns ? columns : k + kSpreadColumns;
    const std::uint64_t at = k / 8 * bits;
    alignas(64) unsigned char spread[kSpreadColumns];
    __builtin_prefetch(codes + at + kBytesAhead, 0, 2);
    spread_stream(codes + at, size - at, end - k, bits, spread);
    make(spread, k, end);
  }
}

template <class Isa, class Layout, Target kTarget, bool kStream>
inline void ct_byte_row(const PackedLinear& linear, std::uint64_t row, unsigned char* out) {
  const unsigned char* codes = line(linear[Role::codes], row);
  const unsigned char* scales = line(linear[Role::scales], factor_line(linear, row));
  const CtZeros zeros(linear, row);
  const auto factors_of = [&](std::uint64_t group) {
    return byte_factors<Isa>(load_float(scales + group * 2, linear.scale_type), zeros.at(group));
  };
  const std::uint64_t columns = linear.in_features;
  if (linear.bits == 8) {
    return byte_columns<Isa, Layout, kTarget, kStream>(codes, linear.group_size, 0, columns,
                                                       factors_of, out);
  }
  const auto make = [&](const unsigned char* spread, std::uint64_t k, std::uint64_t end) {
    byte_columns<Isa, Layout, kTarget, kStream>(spread, linear.group_size, k, end, factors_of, out);
  };
  spread_row(codes, columns, linear.bits, make);
}

template <class Isa, class Layout, Target kTarget>
inline void ct_byte_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                         void* out, const OutputFormat& format) {
  if (linear[Role::group_index].data != nullptr || linear.scale_type == FloatType::float32) {
    return ct_plain<Layout, kTarget>(linear, row_begin, row_end, out);
  }
  const bool whole_runs =
      linear.group_size % kQuarter == 0 || linear.group_size >= linear.in_features;
  const bool stream = whole_runs && can_stream<kTarget>(linear, format);
  const std::uint64_t pitch = linear.in_features * sizeof(ElementOf<kTarget>);
  for (std::uint64_t row = row_begin; row < row_end; ++row) {
    unsigned char* to = static_cast<unsigned char*>(out) + (row - row_begin) * pitch;
    stream ? ct_byte_row<Isa, Layout, kTarget, true>(linear, row, to)
           : ct_byte_row<Isa, Layout, kTarget, false>(linear, row, to);
  }
  if (stream) Isa::fence();
}

template <class Isa, Target kTarget>
void ct_int8_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                  void* out, const OutputFormat& format) {
  ct_byte_rows<Isa, CtInt8, kTarget>(linear, row_begin, row_end, out, format);
}

}  // namespace
}  // namespace thaw::kernels
