// The scales and zeros of GPTQ as floats, 16 outputs of a group at a time.
#pragma once

#include "kernels/gptq-plain-inl.h"
#include "kernels/products-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kGptqOutputs = 16;  // 64 bytes of a line

struct SixteenFactors {
  alignas(64) float scales[kGptqOutputs];
  alignas(64) float zeros[kGptqOutputs];
};

typedef std::uint8_t SixteenBytes __attribute__((vector_size(16)));

// The zeros of 16 outputs, a byte each; `from` are the two words (8 bits: four) that hold them.
template <std::uint32_t kBits>
[[gnu::always_inline]] inline SixteenBytes zero_bytes(const unsigned char* from,
                                                      std::uint32_t addend) {
  typedef std::uint32_t FourWords __attribute__((vector_size(16)));
  typedef std::uint64_t TwoPairs __attribute__((vector_size(16)));
  const TwoPairs pairs = {load<std::uint64_t>(from),
                          kBits == 4 ? 0 : load<std::uint64_t>(from + kBits)};
  const FourWords words = __builtin_bit_cast(FourWords, pairs) + addend;
  if constexpr (kBits == 8) return __builtin_bit_cast(SixteenBytes, words);
  const SixteenBytes low = __builtin_bit_cast(SixteenBytes, words) & 15;
  const SixteenBytes high = __builtin_bit_cast(SixteenBytes, words >> 4) & 15;
  return __builtin_shufflevector(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// Those of `count` outputs, at most 16, from `output` on, a multiple of 8; both arrays are aligned
// and get 16, arranged for kTarget. False if a scale is huge, infinite or NaN.
template <class Isa, Target kTarget, std::uint32_t kBits>
[[gnu::always_inline]] inline bool load_factors(const PackedLinear& linear, std::uint64_t group,
                                                std::uint64_t output, std::uint64_t count,
                                                float* scales, float* zeros) {
  constexpr std::uint64_t kPerWord = 32 / kBits;
  constexpr std::uint64_t kWords = kGptqOutputs / kPerWord;
  const unsigned char* from = line(linear[Role::scales], group) + output * 2;
  alignas(16) std::uint16_t padded[kGptqOutputs];
  if (count < kGptqOutputs) [[unlikely]] {  // the line, or the file, may end here
    __builtin_memset(padded, 0, sizeof padded);
    __builtin_memcpy(padded, from, count * 2);
    from = reinterpret_cast<const unsigned char*>(padded);
  }
  const bool usual = Isa::template load_sixteen_scales<kTarget>(from, linear.scale_type, scales);
  unsigned char zero[16];
  if (linear[Role::zeros].data == nullptr) {
    __builtin_memset(zero, 1 << (kBits - 1), sizeof zero);
  } else {
    const unsigned char* packed = line(linear[Role::zeros], group) + output / kPerWord * 4;
    unsigned char padded_zeros[kWords * 4] = {};
    if (count < kGptqOutputs) [[unlikely]] {
      __builtin_memcpy(padded_zeros, packed, (count + kPerWord - 1) / kPerWord * 4);
      packed = padded_zeros;
    }
    const SixteenBytes bytes = zero_bytes<kBits>(packed, linear.zero_addend);
    __builtin_memcpy(zero, &bytes, sizeof bytes);
  }
  Isa::template widen_sixteen<kTarget>(zero, zeros);
  return usual;
}

// The products of code number shift / kBits of 16 words; words, scales and zeros arranged alike.
template <class Isa, std::uint32_t kBits, bool kFused = false>
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
  if constexpr (kFused) {
    Isa::multiply_subtract(values, scales, zeros, products);
  } else {
    multiply_sixteen<Isa>(values, scales, zeros, products);
  }
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
