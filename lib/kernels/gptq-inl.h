// GPTQ without tables, for what those do not fit: codes of 8 bits, act-order, odd groups and the
// edges of a weight. (q - z) * s is exact in float32 for every 16-bit scale, or infinite where the
// exact value is beyond all types, so the plain loops below are exact, and the compiler turns them
// into the vectors of each instruction set.
//
// An `Isa` has the steps of cast-inl.h and
//   turn_4x4(from, from_pitch, to, to_pitch)   four rows of four 32-bit words, transposed;
//   store_line<kStream>(to, from)              64 bytes, from an aligned address;
//   fence()                                    after non-temporal stores.
#pragma once

#include "kernels/blocks-inl.h"
#include "kernels/cast-inl.h"
#include "kernels/gptq-plain-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kGptqOutputs = 16;  // 64 bytes of a line
inline constexpr std::uint64_t kKeptGroups = 256;
// Lines lie far apart, each on a page of its own: what is read of them at a time must be long, and
// not of more lines than the processor remembers pages.
inline constexpr std::uint64_t kGptqStripOutputs = 512;
inline constexpr std::uint64_t kGptqStripColumns = 8 * kBlock;

// Scales and zeros of `count` outputs from `output` on, a multiple of 8, in one group.
template <class Isa>
inline void load_factors(const PackedLinear& linear, std::uint64_t group, std::uint64_t output,
                         std::uint64_t count, float* scales, float* zeros) {
  const unsigned char* from = line(linear.scales, group) + output * 2;
  std::uint64_t i = 0;
  if (linear.scale_type == FloatType::float16) {
    for (; i + Isa::kCastStep <= count; i += Isa::kCastStep)
      Isa::widen_half(from + i * 2, scales + i);
  }
  for (; i < count; ++i) scales[i] = load_float(from + i * 2, linear.scale_type);
  if (linear.qzeros.data == nullptr) {
    for (i = 0; i < count; ++i) zeros[i] = static_cast<float>(1 << (linear.bits - 1));
    return;
  }
  const std::uint64_t per_word = codes_per_word(linear);
  const unsigned char* words = line(linear.qzeros, group) + output / per_word * 4;
  for (i = 0; i < count; i += per_word) {
    const std::uint32_t word = load<std::uint32_t>(words + i / per_word * 4) + linear.zero_addend;
    const std::uint64_t stop = count - i < per_word ? count - i : per_word;
    for (std::uint64_t j = 0; j < stop; ++j) {
      zeros[i + j] = static_cast<float>(code_of(word, j, linear.bits));
    }
  }
}

// (code - zero) * scale for the codes number `index` of kCount words.
template <std::uint64_t kCount>
inline void gptq_products(const std::uint32_t* __restrict words, std::uint64_t index,
                          std::uint32_t bits, const float* __restrict scales,
                          const float* __restrict zeros, float* __restrict products) {
  const auto shift = static_cast<std::uint32_t>(index * bits);
  const std::uint32_t mask = (1u << bits) - 1;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const auto code = static_cast<float>(static_cast<std::int32_t>(words[i] >> shift & mask));
    products[i] = (code - zeros[i]) * scales[i];
  }
}

// Rounds kBlock floats and stores the first `count`. Streaming: whole, aligned cache lines.
template <class Isa, Target kTarget, bool kStream>
inline void store_products(const float* values, unsigned char* out, std::uint64_t count) {
  using Value = ElementOf<kTarget>;
  alignas(64) Value rounded[kBlock];
  const auto is_nan = [](float value) {
    return (__builtin_bit_cast(std::uint32_t, value) & 0x7fffffffu) > 0x7f800000u;
  };
  if constexpr (kTarget == Target::float32) {
    for (std::uint64_t i = 0; i < kBlock; ++i) {
      rounded[i] = is_nan(values[i]) ? kFloatNan : __builtin_bit_cast(std::uint32_t, values[i]);
    }
  } else if constexpr (kTarget == Target::bfloat16) {
    for (std::uint64_t i = 0; i < kBlock; ++i) rounded[i] = bfloat16_from_float(values[i]);
  } else {
    auto* bytes = reinterpret_cast<unsigned char*>(rounded);
    for (std::uint64_t i = 0; i < kBlock; i += Isa::kCastStep) {
      Isa::narrow_half(values + i, bytes + i * 2);
    }
    std::uint32_t nans = 0;  // without a branch in the loop, which would keep it from vectors
    for (std::uint64_t i = 0; i < kBlock; ++i) nans |= is_nan(values[i]) ? 1u : 0u;
    for (std::uint64_t i = 0; nans != 0 && i < kBlock; ++i) {
      if (is_nan(values[i])) rounded[i] = kHalfNan;
    }
    if constexpr (kTarget == Target::bfloat16_via_float16) {
      alignas(64) float halves[kBlock];
      for (std::uint64_t i = 0; i < kBlock; i += Isa::kCastStep) {
        Isa::widen_half(bytes + i * 2, halves + i);
      }
      for (std::uint64_t i = 0; i < kBlock; ++i) rounded[i] = bfloat16_from_float(halves[i]);
    }
  }
  if constexpr (kStream) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(rounded);
    for (std::uint64_t at = 0; at < count * sizeof(Value); at += 64) {
      Isa::template store_line<true>(out + at, bytes + at);
    }
  } else {
    __builtin_memcpy(out, rounded, count * sizeof(Value));
  }
}

// Up to 16 output rows: blocks of 128 columns are multiplied as they lie, input by input, and then
// turned.
template <class Isa, Target kTarget, bool kStream>
class GptqOutputs {
 public:
  explicit GptqOutputs(const PackedLinear& linear)
      : linear_(linear), keeps_all_(linear.groups <= kKeptGroups) {}

  // Columns [begin, end) of `count` rows from `row` on; begin is a multiple of 32, row of 8. `out`
  // is where column 0 goes.
  void run(std::uint64_t row, std::uint64_t count, std::uint64_t begin, std::uint64_t end,
           unsigned char* out) {
    row_ = row;
    count_ = count;
    out_ = out;
    loaded_ = kNoGroup;
    if (keeps_all_) {
      const bool whole = linear_.group_index.data != nullptr;
      const std::uint64_t first = whole ? 0 : begin / linear_.group_size;
      const std::uint64_t last = whole ? linear_.groups : (end - 1) / linear_.group_size + 1;
      for (std::uint64_t group = first; group < last; ++group) load(group, factors_ + group);
    }
    for (std::uint64_t k = begin; k < end; k += kBlock) {
      block(k, end - k < kBlock ? end - k : kBlock);
    }
  }

 private:
  static constexpr std::uint64_t kNoGroup = ~std::uint64_t{0};

  struct Factors {
    float scales[kGptqOutputs];
    float zeros[kGptqOutputs];
  };

  void load(std::uint64_t group, Factors* to) {
    load_factors<Isa>(linear_, group, row_, count_, to->scales, to->zeros);
  }

  const Factors& factors_of(std::uint64_t group) {
    if (keeps_all_) return factors_[group];
    if (group != loaded_) load(group, factors_);
    loaded_ = group;
    return factors_[0];
  }

  void find_groups(std::uint64_t k, std::uint64_t columns) {
    if (linear_.group_index.data != nullptr) {
      for (std::uint64_t c = 0; c < columns; ++c) groups_[c] = group_of_input(linear_, k + c);
      return;
    }
    std::uint64_t group = k / linear_.group_size;
    std::uint64_t stop = (group + 1) * linear_.group_size;
    for (std::uint64_t c = 0; c < columns; ++c) {
      if (k + c == stop) {
        ++group;
        stop += linear_.group_size;
      }
      groups_[c] = group;
    }
  }

  void block(std::uint64_t k, std::uint64_t columns) {
    find_groups(k, columns);
    const std::uint64_t per_word = codes_per_word(linear_);
    for (std::uint64_t c = 0; c < columns; c += per_word) {
      alignas(64) std::uint32_t words[kGptqOutputs] = {};
      const unsigned char* from = line(linear_.qweight, (k + c) / per_word) + row_ * 4;
      __builtin_prefetch(from + kBlock / per_word * linear_.qweight.pitch);
      if (count_ == kGptqOutputs) {
        __builtin_memcpy(words, from, sizeof words);
      } else {
        __builtin_memcpy(words, from, count_ * 4);
      }
      const std::uint64_t stop = columns - c < per_word ? columns - c : per_word;
      for (std::uint64_t i = 0; i < stop; ++i) {
        const Factors& f = factors_of(groups_[c + i]);
        gptq_products<kGptqOutputs>(words, i, linear_.bits, f.scales, f.zeros, by_column_[c + i]);
      }
    }
    for (std::uint64_t c = 0; c < columns; c += 4) {
      for (std::uint64_t n = 0; n < kGptqOutputs; n += 4) {
        Isa::turn_4x4(by_column_[c] + n, sizeof by_column_[0], by_row_[n] + c, sizeof by_row_[0]);
      }
    }
    constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
    for (std::uint64_t n = 0; n < count_; ++n) {
      unsigned char* to = out_ + (n * linear_.in_features + k) * kElement;
      store_products<Isa, kTarget, kStream>(by_row_[n], to, columns);
    }
  }

  const PackedLinear& linear_;
  const bool keeps_all_;  // factors_ by group; else only factors_[0], that of loaded_
  std::uint64_t row_ = 0;
  std::uint64_t count_ = 0;
  unsigned char* out_ = nullptr;
  std::uint64_t loaded_ = kNoGroup;
  std::uint64_t groups_[kBlock] = {};
  alignas(64) Factors factors_[kKeptGroups] = {};
  alignas(64) float by_column_[kBlock][kGptqOutputs] = {};
  alignas(64) float by_row_[kGptqOutputs][kBlock] = {};
};

// Columns [begin, end) of rows [row_begin, row_end); `out` is where column 0 of row_begin goes.
template <class Isa, Target kTarget, bool kStream>
[[gnu::noinline]] void gptq_outputs(const PackedLinear& linear, std::uint64_t row_begin,
                                    std::uint64_t row_end, std::uint64_t begin, std::uint64_t end,
                                    unsigned char* out) {
  const std::uint64_t pitch = linear.in_features * sizeof(ElementOf<kTarget>);
  GptqOutputs<Isa, kTarget, kStream> outputs(linear);
  const auto run = [&](std::uint64_t first, std::uint64_t last, std::uint64_t k,
                       std::uint64_t stop) {
    for (std::uint64_t row = first; row < last; row += kGptqOutputs) {
      const std::uint64_t count = last - row < kGptqOutputs ? last - row : kGptqOutputs;
      outputs.run(row, count, k, stop, out + (row - row_begin) * pitch);
    }
  };
  for (std::uint64_t row = row_begin; row < row_end; row += kGptqStripOutputs) {
    const std::uint64_t last =
        row_end - row < kGptqStripOutputs ? row_end : row + kGptqStripOutputs;
    for (std::uint64_t k = begin; k < end; k += kGptqStripColumns) {
      run(row, last, k, end - k < kGptqStripColumns ? end : k + kGptqStripColumns);
    }
  }
}

template <class Isa, Target kTarget>
void gptq_without_tables(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                         std::uint64_t begin, std::uint64_t end, void* out,
                         const OutputFormat& format) {
  if (begin == end || row_begin == row_end) return;
  auto* const bytes = static_cast<unsigned char*>(out);
  if (can_stream<kTarget>(linear, format)) {
    gptq_outputs<Isa, kTarget, true>(linear, row_begin, row_end, begin, end, bytes);
    Isa::fence();
  } else {
    gptq_outputs<Isa, kTarget, false>(linear, row_begin, row_end, begin, end, bytes);
  }
}

// The same without turning: the rows of the weight are inputs.
template <class Isa, Target kTarget, bool kStream>
[[gnu::noinline]] void gptq_inputs(const PackedLinear& linear, std::uint64_t row_begin,
                                   std::uint64_t row_end, unsigned char* out) {
  constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
  const std::uint64_t per_word = codes_per_word(linear);
  alignas(64) float scales[kBlock] = {};
  alignas(64) float zeros[kBlock] = {};
  alignas(64) float products[kBlock] = {};
  for (std::uint64_t first = row_begin; first < row_end; first += per_word) {
    const std::uint64_t last = row_end - first < per_word ? row_end : first + per_word;
    const unsigned char* from = line(linear.qweight, first / per_word);
    for (std::uint64_t output = 0; output < linear.in_features; output += kBlock) {
      const std::uint64_t left = linear.in_features - output;
      const std::uint64_t count = left < kBlock ? left : kBlock;
      alignas(64) std::uint32_t words[kBlock] = {};
      __builtin_memcpy(words, from + output * 4, count * 4);
      std::uint64_t loaded = ~std::uint64_t{0};
      for (std::uint64_t row = first; row < last; ++row) {
        const std::uint64_t group = group_of_input(linear, row);
        if (group != loaded) load_factors<Isa>(linear, group, output, count, scales, zeros);
        loaded = group;
        gptq_products<kBlock>(words, row % per_word, linear.bits, scales, zeros, products);
        unsigned char* to = out + ((row - row_begin) * linear.in_features + output) * kElement;
        store_products<Isa, kTarget, kStream>(products, to, count);
      }
    }
  }
}

template <class Isa, Target kTarget>
void gptq_input_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                     void* out, const OutputFormat& format) {
  if (linear.scale_type == FloatType::float32) {
    return gptq_plain<GptqRows, kTarget>(linear, row_begin, row_end, out);
  }
  auto* const bytes = static_cast<unsigned char*>(out);
  if (can_stream<kTarget>(linear, format)) {
    gptq_inputs<Isa, kTarget, true>(linear, row_begin, row_end, bytes);
    Isa::fence();
  } else {
    gptq_inputs<Isa, kTarget, false>(linear, row_begin, row_end, bytes);
  }
}

}  // namespace
}  // namespace thaw::kernels
