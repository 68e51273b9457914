// gptq_bits with vectors: units are gathered from the lines of 16 outputs, spread to a byte a code,
// and multiplied as codes of 8 bits are. With act-order the scales and zeros of each column are
// gathered too.
#pragma once

#include "kernels/ct-bytes-inl.h"
#include "kernels/gptq-bits-plain-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kBitsRows = 16;      // 64 bytes of a line of words
inline constexpr std::uint64_t kBitsColumns = 512;  // spread at a time
inline constexpr std::uint64_t kBitsGroups = 1024;  // whose factors a row may keep

struct SpreadRows {
  alignas(64) unsigned char codes[kBitsRows][kBitsColumns];
};

// Columns [begin, end) of `count` rows, begin being a multiple of 32.
inline void spread_rows(const PackedLinear& linear, std::uint64_t row, std::uint64_t count,
                        std::uint64_t begin, std::uint64_t end, SpreadRows& to) {
  const std::uint64_t step = kUnitInputs * linear.bits / (8 * std::uint64_t{linear.word_bytes});
  for (std::uint64_t k = begin; k < end; k += kUnitInputs) {
    const std::uint64_t unit = k / kUnitInputs;
    const std::uint64_t words = words_of_unit(linear, unit, linear.in_features);
    const unsigned char* from = line(linear[Role::codes], unit * step) + row * linear.word_bytes;
    // All of them before any is spread: what was just stored in words cannot be loaded by pairs of
    // words at once.
    alignas(64) unsigned char units[kBitsRows][kUnitBytes + 8];
    for (std::uint64_t i = 0; i < count; ++i) {
      if (words * linear.word_bytes != 4 * linear.bits) __builtin_memset(units[i], 0, kUnitBytes);
      gather_unit(from + i * linear.word_bytes, linear[Role::codes].pitch, words, linear.word_bytes,
                  units[i]);
    }
    for (std::uint64_t i = 0; i < count; ++i) {
      unsigned char* codes = to.codes[i] + (k - begin);
      if (linear.bits == 8) {
        __builtin_memcpy(codes, units[i], kQuarter);
      } else if (linear.planes) {
        spread_planes(units[i], linear.bits, codes);
      } else {
        spread_quarter(units[i], linear.bits, codes);
      }
    }
  }
}

template <class Isa, Target kTarget, bool kStream>
void gptq_bits_in_order(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                        unsigned char* out) {
  const std::uint64_t pitch = linear.in_features * sizeof(ElementOf<kTarget>);
  for (std::uint64_t row = row_begin; row < row_end; row += kBitsRows) {
    const std::uint64_t count = row_end - row < kBitsRows ? row_end - row : kBitsRows;
    for (std::uint64_t k = 0; k < linear.in_features; k += kBitsColumns) {
      const std::uint64_t left = linear.in_features - k;
      const std::uint64_t end = k + (left < kBitsColumns ? left : kBitsColumns);
      SpreadRows spread;
      spread_rows(linear, row, count, k, end, spread);
      for (std::uint64_t i = 0; i < count; ++i) {
        const auto factors_of = [&](std::uint64_t group) {
          const unsigned char* scale = line(linear[Role::scales], group) + (row + i) * 2;
          return byte_factors<Isa>(load_float(scale, linear.scale_type),
                                   gptq_bits_zero(linear, group, row + i));
        };
        byte_columns<Isa, GptqBits, kTarget, kStream>(spread.codes[i], linear.group_size, k, end,
                                                      factors_of,
                                                      out + (row + i - row_begin) * pitch);
      }
    }
  }
}

// The scales and zeros of a row, by group.
struct RowFactors {
  float scales[kBitsGroups];
  float zeros[kBitsGroups];
  bool rare = false;  // a scale is huge, infinite or NaN

  RowFactors(const PackedLinear& linear, std::uint64_t row) {
    for (std::uint64_t group = 0; group < linear.groups; ++group) {
      scales[group] = load_float(line(linear[Role::scales], group) + row * 2, linear.scale_type);
      zeros[group] = static_cast<float>(gptq_bits_zero(linear, group, row));
      rare = rare || !(__builtin_fabsf(scales[group]) < kRareMagnitude);
    }
  }
};

// 32 codes, each of a group of its own.
template <class Isa, Target kTarget>
inline void put_indexed(const RowFactors& factors, const std::uint32_t* groups,
                        const unsigned char* codes, unsigned char* out) {
  alignas(64) float products[2][16];
  for (std::uint64_t half = 0; half < 2; ++half) {
    alignas(64) float found[2][16];
    for (std::uint64_t i = 0; i < 16; ++i) {
      found[0][i] = factors.scales[groups[half * 16 + i]];
      found[1][i] = factors.zeros[groups[half * 16 + i]];
    }
    alignas(64) float scales[16];
    alignas(64) float zeros[16];
    alignas(64) float values[16];
    Isa::template order_sixteen<kTarget>(found[0], scales);
    Isa::template order_sixteen<kTarget>(found[1], zeros);
    Isa::template widen_sixteen<kTarget>(codes + half * 16, values);
    multiply_sixteen<Isa>(values, scales, zeros, products[half]);
  }
  if constexpr (kTarget == Target::float32) {
    __builtin_memcpy(out, products, sizeof products);
  } else {
    Isa::template put_thirty_two<kTarget, false, 16, 32, false>(products[0], products[1], out);
  }
}

template <class Isa, Target kTarget>
void gptq_bits_indexed(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                       unsigned char* out) {
  constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
  const std::uint64_t pitch = linear.in_features * kElement;
  for (std::uint64_t k = 0; k < linear.in_features; k += kBitsColumns) {
    const std::uint64_t left = linear.in_features - k;
    const std::uint64_t end = k + (left < kBitsColumns ? left : kBitsColumns);
    std::uint32_t groups[kBitsColumns] = {};
    for (std::uint64_t i = k; i < end; ++i) {
      groups[i - k] = static_cast<std::uint32_t>(group_of_input(linear, i));
    }
    for (std::uint64_t row = row_begin; row < row_end; row += kBitsRows) {
      const std::uint64_t count = row_end - row < kBitsRows ? row_end - row : kBitsRows;
      SpreadRows spread;
      spread_rows(linear, row, count, k, end, spread);
      for (std::uint64_t i = 0; i < count; ++i) {
        const RowFactors factors(linear, row + i);
        unsigned char* to = out + (row + i - row_begin) * pitch + k * kElement;
        std::uint64_t at = 0;
        for (; !factors.rare && at < end - k; at += kQuarter) {
          alignas(64) unsigned char values[kQuarter * kElement];
          put_indexed<Isa, kTarget>(factors, groups + at, spread.codes[i] + at, values);
          const std::uint64_t few = end - k - at < kQuarter ? end - k - at : kQuarter;
          __builtin_memcpy(to + at * kElement, values, few * kElement);
        }
        for (; at < end - k; ++at) {
          const Product product = {static_cast<double>(factors.scales[groups[at]]),
                                   static_cast<int>(factors.zeros[groups[at]])};
          store(to + at * kElement, narrow<kTarget>(product.at(spread.codes[i][at])));
        }
      }
    }
  }
}

template <class Isa, Target kTarget>
void gptq_bits_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                    void* out, const OutputFormat& format) {
  const bool indexed = linear[Role::group_index].data != nullptr;
  if (linear.scale_type == FloatType::float32 || (indexed && linear.groups > kBitsGroups)) {
    return gptq_plain<GptqBits, kTarget>(linear, row_begin, row_end, out);
  }
  auto* const bytes = static_cast<unsigned char*>(out);
  if (indexed) return gptq_bits_indexed<Isa, kTarget>(linear, row_begin, row_end, bytes);
  const bool whole_runs =
      linear.group_size % kQuarter == 0 || linear.group_size >= linear.in_features;
  const bool stream = whole_runs && can_stream<kTarget>(linear, format);
  stream ? gptq_bits_in_order<Isa, kTarget, true>(linear, row_begin, row_end, bytes)
         : gptq_bits_in_order<Isa, kTarget, false>(linear, row_begin, row_end, bytes);
  if (stream) Isa::fence();
}

// Embeddings of such widths are small and few.
template <class Isa, Target kTarget>
void gptq_bits_input_rows(const PackedLinear& linear, std::uint64_t row_begin,
                          std::uint64_t row_end, void* out, const OutputFormat&) {
  gptq_plain<GptqBitsRows, kTarget>(linear, row_begin, row_end, out);
}

}  // namespace
}  // namespace thaw::kernels
