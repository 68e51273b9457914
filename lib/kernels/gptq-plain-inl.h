// GPTQ, one element at a time: specs/gptq.md clauses 2 to 4 in plain C++. For float32 scales and
// for counting overflows; gptq-inl.h does the rest.
//
// gptq has the weight as [outputs, inputs], gptq_rows as [inputs, outputs]. A *line* of qweight
// holds 8 (or, with 8 bits, 4) consecutive inputs of every output, one word an output.
#pragma once

#include "kernels/layouts-inl.h"

namespace thaw::kernels {
namespace {

// How many codes a word has.
inline std::uint64_t codes_per_word(const PackedLinear& linear) { return 32 / linear.bits; }

inline std::uint32_t code_of(std::uint32_t word, std::uint64_t index, std::uint32_t bits) {
  return word >> (index * bits) & ((1u << bits) - 1);
}

// Whoever made the view has checked the indexes; but the file is mapped, and what another process
// writes into it meanwhile must not lead outside.
inline std::uint64_t group_of_input(const PackedLinear& linear, std::uint64_t input) {
  if (linear[Role::group_index].data == nullptr) return input / linear.group_size;
  const auto* entry = static_cast<const unsigned char*>(linear[Role::group_index].data) +
                      input * linear[Role::group_index].element;
  const std::int64_t index = linear[Role::group_index].element == 8 ? load<std::int64_t>(entry)
                                                                    : load<std::int32_t>(entry);
  const auto group = static_cast<std::uint64_t>(index);
  const std::uint64_t from_start = index < 0 ? group + linear.groups : group;
  return from_start < linear.groups ? from_start : 0;
}

inline Product gptq_factors(const PackedLinear& linear, std::uint64_t group, std::uint64_t output) {
  const std::uint64_t per_word = codes_per_word(linear);
  int zero = 1 << (linear.bits - 1);
  if (linear[Role::zeros].data != nullptr) {
    const auto* from = line(linear[Role::zeros], group) + output / per_word * 4;
    const std::uint32_t word = load<std::uint32_t>(from) + linear.zero_addend;
    zero = static_cast<int>(code_of(word, output % per_word, linear.bits));
  }
  return {load_scale(linear, group, output), zero};
}

inline int gptq_code(const PackedLinear& linear, std::uint64_t input, std::uint64_t output) {
  const std::uint64_t per_word = codes_per_word(linear);
  const auto word = load<std::uint32_t>(line(linear[Role::codes], input / per_word) + output * 4);
  return static_cast<int>(code_of(word, input % per_word, linear.bits));
}

// What a layout says of an element, by its input and output.
struct GptqFormulas {
  static Product factors(const PackedLinear& linear, std::uint64_t group, std::uint64_t output) {
    return gptq_factors(linear, group, output);
  }
  static int code(const PackedLinear& linear, std::uint64_t input, std::uint64_t output) {
    return gptq_code(linear, input, output);
  }
};

struct Gptq : GptqFormulas {
  static constexpr LayoutId kId = LayoutId::gptq;
  static constexpr std::uint32_t kRowBlock = 8;
  static constexpr bool kRowsAreInputs = false;
};

struct GptqRows : GptqFormulas {
  static constexpr LayoutId kId = LayoutId::gptq_rows;
  static constexpr std::uint32_t kRowBlock = 8;
  static constexpr bool kRowsAreInputs = true;
};

template <class Layout, Target kTarget>
void gptq_plain(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                void* out) {
  auto* to = static_cast<ElementOf<kTarget>*>(out);
  for (std::uint64_t row = row_begin; row < row_end; ++row) {
    for (std::uint64_t column = 0; column < linear.in_features; ++column) {
      const std::uint64_t input = Layout::kRowsAreInputs ? row : column;
      const std::uint64_t output = Layout::kRowsAreInputs ? column : row;
      const Product factors = Layout::factors(linear, group_of_input(linear, input), output);
      *to++ = narrow<kTarget>(factors.at(Layout::code(linear, input, output)));
    }
  }
}

}  // namespace
}  // namespace thaw::kernels
