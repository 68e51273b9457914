// How the transposing kernels walk along in_features: blocks of 128 columns, four quarters of 32.
// 128 columns of a 16-bit type are four cache lines of an output row; with fewer at a time the
// non-temporal stores lose half of their speed.
#pragma once

#include "kernels/values-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kQuarter = 32;
inline constexpr std::uint64_t kQuarters = 4;
inline constexpr std::uint64_t kBlock = kQuarter * kQuarters;

// The vectors want 32 columns at a time to share a scale, and scales of 16 bits.
inline bool groups_fit_vectors(const PackedLinear& linear) {
  return linear.scale_type != FloatType::float32 &&
         (linear.group_size % kQuarter == 0 || linear.group_size == linear.in_features);
}

// Columns [0, this) go through the vectors; fewer than 32 after it do not.
inline std::uint64_t vector_columns(const PackedLinear& linear) {
  return linear.in_features / kQuarter * kQuarter;
}

// The group of each quarter of the block at column k, and whether they are all the same.
struct BlockGroups {
  std::uint64_t group[kQuarters];
  bool one;

  BlockGroups(const PackedLinear& linear, std::uint64_t k) : group{}, one(true) {
    for (std::uint64_t i = 0; i < kQuarters; ++i) {
      group[i] = (k + i * kQuarter) / linear.group_size;
      one = one && group[i] == group[0];
    }
  }
};

// Asks for `bytes` of a line, from `from` on, of which the strip's first is at `strip`.
[[gnu::always_inline]] inline void prefetch_share(const unsigned char* strip, std::uint64_t from,
                                                  std::uint64_t bytes) {
  for (std::uint64_t at = (from + 63) / 64 * 64; at < from + bytes; at += 64) {
    __builtin_prefetch(strip + at);
  }
}

// Asks for the scales and zeros that the block after the one at k needs for one chunk of a strip:
// `rows` rows, `first` rows from the strip's first, which is `row`. The lines of two groups lie
// further apart than a processor looks ahead by itself.
[[gnu::always_inline]] inline void prefetch_factors(const PackedLinear& linear, std::uint64_t k,
                                                    std::uint64_t row, std::uint64_t first,
                                                    std::uint64_t rows) {
  const std::uint64_t last = (k + 2 * kBlock - 1) / linear.group_size;
  for (std::uint64_t group = (k + kBlock - 1) / linear.group_size + 1; group <= last; ++group) {
    prefetch_share(line(linear[Role::scales], group) + row * 2, first * 2, rows * 2);
    if (linear[Role::zeros].data == nullptr) continue;
    const std::uint64_t bits = linear.bits;
    prefetch_share(line(linear[Role::zeros], group) + row * bits / 8, first * bits / 8,
                   rows * bits / 8);
  }
}

template <std::uint64_t kCountOf>
struct QuarterCount {
  static constexpr std::uint64_t kCount = kCountOf;
};

// Walks a strip along in_features: blocks of four quarters, then single ones. Of each block every
// chunk of rows is made: the tables it needs, unless the block before had the same group and left
// them, and then its columns. A `Strip` has
//   start<kCount>(k)                            before the chunks of kCount quarters at column k;
//   tables(i)                                   room for the tables of one chunk, i < max(chunks,
//   4); build(chunk, group, tables)                 the tables of a chunk in one group;
//   emit<kCount, kOneTable>(k, chunk, tables)   kCount quarters, with tables[i] for the i-th.
template <class Strip>
inline void walk_strip(Strip& strip, const PackedLinear& linear, std::uint64_t chunks) {
  constexpr std::uint64_t kNoGroup = ~std::uint64_t{0};
  std::uint64_t built = kNoGroup;  // the group whose tables every chunk has
  const auto one_group = [&](auto count, std::uint64_t k, std::uint64_t group) {
    for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
      auto* const tables = strip.tables(chunk);
      if (group != built) strip.build(chunk, group, tables);
      decltype(tables) const by_quarter[kQuarters] = {tables, tables, tables, tables};
      strip.template emit<decltype(count)::kCount, true>(k, chunk, by_quarter);
    }
    built = group;
  };
  const auto many_groups = [&](std::uint64_t k, const BlockGroups& groups) {
    for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {  // tables last for one chunk only
      decltype(strip.tables(0)) by_quarter[kQuarters];
      for (std::uint64_t i = 0; i < kQuarters; ++i) {
        const bool again = i != 0 && groups.group[i] == groups.group[i - 1];
        by_quarter[i] = again ? by_quarter[i - 1] : strip.tables(i);
        if (!again) strip.build(chunk, groups.group[i], by_quarter[i]);
      }
      strip.template emit<kQuarters, false>(k, chunk, by_quarter);
    }
    built = kNoGroup;
  };
  const std::uint64_t end = vector_columns(linear);
  std::uint64_t k = 0;
  for (; k + kBlock <= end; k += kBlock) {
    strip.template start<kQuarters>(k);
    const BlockGroups groups(linear, k);
    groups.one ? one_group(QuarterCount<kQuarters>{}, k, groups.group[0]) : many_groups(k, groups);
  }
  for (; k < end; k += kQuarter) {
    strip.template start<1>(k);
    one_group(QuarterCount<1>{}, k, k / linear.group_size);
  }
}

// Non-temporal stores want whole, aligned cache lines in every row.
template <Target kTarget>
inline bool can_stream(const PackedLinear& linear, const OutputFormat& format) {
  return format.stores == Stores::streaming &&
         linear.in_features * sizeof(ElementOf<kTarget>) % 64 == 0;
}

// Calls strip(row, rows, out, stream) for runs of at most `strip_rows` rows, finishes the columns
// that the vectors leave over, and does it all in plain C++ where they do not fit.
template <class Isa, class Layout, Target kTarget, class Strip>
void for_strips(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                std::uint64_t strip_rows, void* out, const OutputFormat& format,
                const Strip& strip) {
  if (!groups_fit_vectors(linear)) {
    return dequantize_plain<Layout, kTarget>(linear, row_begin, row_end, out);
  }
  const bool stream = can_stream<kTarget>(linear, format);
  const std::uint64_t pitch = linear.in_features * sizeof(ElementOf<kTarget>);
  auto* const bytes = static_cast<unsigned char*>(out);
  for (std::uint64_t row = row_begin; row < row_end; row += strip_rows) {
    const std::uint64_t left = row_end - row;
    strip(row, left < strip_rows ? left : strip_rows, bytes + (row - row_begin) * pitch, stream);
  }
  if (stream) Isa::fence();
  dequantize_columns<Layout, kTarget>(linear, row_begin, row_end, vector_columns(linear),
                                      linear.in_features, out);
}

}  // namespace
}  // namespace thaw::kernels
