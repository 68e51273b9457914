// The scales and zeros of GPTQ as floats, 16 outputs of a group at a time.
#pragma once

#include "kernels/gptq-plain-inl.h"
#include "kernels/products-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kGptqOutputs = 16;  // 64 bytes of a line

typedef std::uint64_t SixteenBytes __attribute__((vector_size(16)));

// The eight nibbles of a word, a byte each, in order.
inline std::uint64_t spread_nibbles(std::uint32_t word) {
  std::uint64_t spread = word;
  spread = (spread | spread << 16) & 0x0000ffff0000ffffu;
  spread = (spread | spread << 8) & 0x00ff00ff00ff00ffu;
  return (spread | spread << 4) & 0x0f0f0f0f0f0f0f0fu;
}

// The zeros of 16 outputs, a byte each; `words` are the two (8 bits: four) that hold them.
template <std::uint32_t kBits>
inline SixteenBytes zero_bytes(const std::uint32_t* words, std::uint32_t addend) {
  if constexpr (kBits == 4) {
    return SixteenBytes{spread_nibbles(words[0] + addend), spread_nibbles(words[1] + addend)};
  } else {
    const auto pair = [&](std::uint64_t i) {
      return std::uint64_t{words[i] + addend} | std::uint64_t{words[i + 1] + addend} << 32;
    };
    return SixteenBytes{pair(0), pair(2)};
  }
}

// Those of `count` outputs, at most 16, from `output` on, a multiple of 8; both arrays are aligned
// and get 16, arranged for kTarget. False if a scale is huge, infinite or NaN.
template <class Isa, Target kTarget, std::uint32_t kBits>
[[gnu::always_inline]] inline bool load_factors(const PackedLinear& linear, std::uint64_t group,
                                                std::uint64_t output, std::uint64_t count,
                                                float* scales, float* zeros) {
  constexpr std::uint64_t kPerWord = 32 / kBits;
  constexpr std::uint64_t kWords = kGptqOutputs / kPerWord;
  const unsigned char* from = line(linear.scales, group) + output * 2;
  alignas(16) std::uint16_t padded[kGptqOutputs];
  if (count < kGptqOutputs) [[unlikely]] {  // the line, or the file, may end here
    __builtin_memset(padded, 0, sizeof padded);
    __builtin_memcpy(padded, from, count * 2);
    from = reinterpret_cast<const unsigned char*>(padded);
  }
  const bool usual = Isa::template load_sixteen_scales<kTarget>(from, linear.scale_type, scales);
  unsigned char zero[16];
  if (linear.qzeros.data == nullptr) {
    __builtin_memset(zero, 1 << (kBits - 1), sizeof zero);
  } else {
    const unsigned char* packed = line(linear.qzeros, group) + output / kPerWord * 4;
    std::uint32_t words[kWords] = {};
    if (count < kGptqOutputs) [[unlikely]] {
      __builtin_memcpy(words, packed, (count + kPerWord - 1) / kPerWord * 4);
    } else {
      __builtin_memcpy(words, packed, sizeof words);
    }
    const SixteenBytes bytes = zero_bytes<kBits>(words, linear.zero_addend);
    __builtin_memcpy(zero, &bytes, sizeof bytes);
  }
  Isa::template widen_sixteen<kTarget>(zero, zeros);
  return usual;
}

// The products of code number shift / kBits of 16 words; words, scales and zeros arranged alike.
template <class Isa, std::uint32_t kBits>
[[gnu::always_inline]] inline void multiply_codes(const std::uint32_t* words, std::uint32_t shift,
                                                  const float* scales, const float* zeros,
                                                  float* products) {
  using Floats = typename Lanes<Isa>::Floats;
  using Ints = typename Lanes<Isa>::Ints;
  using Words = typename Lanes<Isa>::Words;
  alignas(64) float values[kGptqOutputs];
  for (std::uint64_t i = 0; i < kGptqOutputs; i += Isa::kCastStep) {
    Words packed;
    __builtin_memcpy(&packed, words + i, sizeof packed);
    const Words codes = (packed >> shift) & ((1u << kBits) - 1);
    const Floats value = __builtin_convertvector(__builtin_bit_cast(Ints, codes), Floats);
    __builtin_memcpy(values + i, &value, sizeof value);
  }
  multiply_sixteen<Isa>(values, scales, zeros, products);
}

// One element the careful way, for scales that load_factors finds rare.
template <Target kTarget>
[[gnu::noinline, gnu::cold]] void put_rare_product(const PackedLinear& linear, std::uint64_t group,
                                                   std::uint64_t input, std::uint64_t output,
                                                   unsigned char* to) {
  const Product product = gptq_factors(linear, group, output);
  store(to, narrow<kTarget>(product.at(gptq_code(linear, input, output))));
}

}  // namespace
}  // namespace thaw::kernels
