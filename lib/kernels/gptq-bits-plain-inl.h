// gptq_bits and gptq_bits_rows, one element at a time: specs/gptq.md clause 7. 32 consecutive
// inputs of an output are a unit: 4 * bits bytes in words of word_bytes, one word of each of as
// many consecutive lines of qweight; a stream of codes, or planes. The zeros of a group are units
// of 32 outputs, one after the other in one line of qzeros.
#pragma once

#include "kernels/bits-inl.h"
#include "kernels/gptq-plain-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kUnitInputs = 32;
inline constexpr std::uint64_t kUnitBytes = 4 * 8;  // at most

// How many words of a unit a weight of `inputs` inputs has: its last unit may be cut off.
inline std::uint64_t words_of_unit(const PackedLinear& linear, std::uint64_t unit,
                                   std::uint64_t inputs) {
  const std::uint64_t word_bits = 8 * std::uint64_t{linear.word_bytes};
  const std::uint64_t words = kUnitInputs * linear.bits / word_bits;
  const std::uint64_t left = (inputs - unit * kUnitInputs) * linear.bits;
  const std::uint64_t there = (left + word_bits - 1) / word_bits;
  return there < words ? there : words;
}

// The unit of one output, where its words are `pitch` bytes apart.
template <class Word>
[[gnu::always_inline]] inline void gather_words(const unsigned char* from, std::uint64_t pitch,
                                                std::uint64_t words, unsigned char* to) {
  for (std::uint64_t i = 0; i < words; ++i) {
    store(to + i * sizeof(Word), load<Word>(from + i * pitch));
  }
}

inline void gather_unit(const unsigned char* from, std::uint64_t pitch, std::uint64_t words,
                        std::uint32_t word_bytes, unsigned char* to) {
  if (word_bytes == 4) return gather_words<std::uint32_t>(from, pitch, words, to);
  if (word_bytes == 2) return gather_words<std::uint16_t>(from, pitch, words, to);
  gather_words<std::uint8_t>(from, pitch, words, to);
}

inline int unit_code(const PackedLinear& linear, const unsigned char* unit, std::uint64_t index) {
  return linear.planes ? plane_code(unit, index, linear.bits)
                       : stream_code(unit, index, linear.bits);
}

// Whether every field lies within one word.
inline bool fields_fit_words(const PackedLinear& linear) {
  return linear.bits == 2 || linear.bits == 4 || linear.bits == 8;
}

inline int gptq_bits_zero(const PackedLinear& linear, std::uint64_t group, std::uint64_t output) {
  if (linear[Role::zeros].data == nullptr) return 1 << (linear.bits - 1);
  const unsigned char* zeros = line(linear[Role::zeros], group);
  const auto mask = static_cast<int>((1u << linear.bits) - 1);
  if (linear.planes || linear.zero_addend == 0 || !fields_fit_words(linear)) {
    const unsigned char* unit = zeros + output / kUnitInputs * 4 * linear.bits;
    const int field = unit_code(linear, unit, output % kUnitInputs);
    return linear.zero_addend == 0 ? field : (field + 1) & mask;
  }
  const std::uint64_t bit = output * linear.bits;
  const std::uint64_t word_bits = 8 * std::uint64_t{linear.word_bytes};
  const unsigned char* from = zeros + bit / word_bits * linear.word_bytes;
  std::uint32_t word = 0;
  __builtin_memcpy(&word, from, linear.word_bytes);
  word += linear.zero_addend;
  return static_cast<int>(word >> bit % word_bits) & mask;
}

struct GptqBitsFormulas {
  static constexpr std::uint32_t kRowBlock = kUnitInputs;

  static Product factors(const PackedLinear& linear, std::uint64_t group, std::uint64_t output) {
    return {load_scale(linear, group, output), gptq_bits_zero(linear, group, output)};
  }
};

struct GptqBits : GptqBitsFormulas {
  static constexpr LayoutId kId = LayoutId::gptq_bits;
  static constexpr bool kRowsAreInputs = false;

  // A line of the view is one of qweight.
  static int code(const PackedLinear& linear, std::uint64_t input, std::uint64_t output) {
    const std::uint64_t unit = input / kUnitInputs;
    const std::uint64_t words = words_of_unit(linear, unit, linear.in_features);
    const std::uint64_t first = unit * (kUnitInputs * linear.bits / (8 * linear.word_bytes));
    unsigned char bytes[kUnitBytes] = {};
    gather_unit(line(linear[Role::codes], first) + output * linear.word_bytes,
                linear[Role::codes].pitch, words, linear.word_bytes, bytes);
    return unit_code(linear, bytes, input % kUnitInputs);
  }
};

struct GptqBitsRows : GptqBitsFormulas {
  static constexpr LayoutId kId = LayoutId::gptq_bits_rows;
  static constexpr bool kRowsAreInputs = true;

  // A line of the view is all lines of a unit.
  static int code(const PackedLinear& linear, std::uint64_t input, std::uint64_t output) {
    const std::uint64_t pitch = linear.in_features * linear.word_bytes;
    unsigned char bytes[kUnitBytes] = {};
    gather_unit(line(linear[Role::codes], input / kUnitInputs) + output * linear.word_bytes, pitch,
                kUnitInputs * linear.bits / (8 * linear.word_bytes), linear.word_bytes, bytes);
    return unit_code(linear, bytes, input % kUnitInputs);
  }
};

}  // namespace
}  // namespace thaw::kernels
