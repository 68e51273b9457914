// The scales and zeros of GPTQ for products that are made in one step (products-inl.h), with AVX2.
#pragma once

#include "kernels/avx2-inl.h"

namespace thaw::kernels {
namespace {

class Avx2Factors {
 public:
  // Of `count` outputs, a multiple of 16, from `output` on, also one: the scales as floats, and
  // zero * scale; both aligned, every sixteen arranged for kTarget. False if a scale does not
  // fuse.
  template <Target kTarget, std::uint32_t kBits>
  static bool load(const PackedLinear& linear, std::uint64_t group, std::uint64_t output,
                   std::uint64_t count, float* scales, float* offsets) {
    return linear.scale_type == FloatType::float16
               ? load_type<kTarget, kBits, FloatType::float16>(linear, group, output, count, scales,
                                                               offsets)
               : load_type<kTarget, kBits, FloatType::bfloat16>(linear, group, output, count,
                                                                scales, offsets);
  }

 private:
  // The bits of the least and of the greatest scale that fuse; whole numbers between them are those
  // of the others. Every positive float16 is one.
  template <FloatType kType>
  static constexpr short kLeast = kType == FloatType::float16 ? 1 : (127 - 100) << 7;
  template <FloatType kType>
  static constexpr short kMost = kType == FloatType::float16 ? 0x7bff : (127 + 100) << 7;
  static_assert(kLeast<FloatType::bfloat16> ==
                __builtin_bit_cast(std::uint32_t, kLeastFused) >> 16);
  static_assert(kMost<FloatType::bfloat16> == __builtin_bit_cast(std::uint32_t, kMostFused) >> 16);

  template <Target kTarget, std::uint32_t kBits, FloatType kType>
  static bool load_type(const PackedLinear& linear, std::uint64_t group, std::uint64_t output,
                        std::uint64_t count, float* scales, float* offsets) {
    constexpr bool kEvenOdd = Avx2Ops::kEvenOdd<kTarget>;
    const unsigned char* from = line(linear[Role::scales], group) + output * 2;
    const unsigned char* packed = linear[Role::zeros].data == nullptr
                                      ? nullptr
                                      : line(linear[Role::zeros], group) + output * kBits / 8;
    const __m128i addend = _mm_set1_epi32(static_cast<int>(linear.zero_addend));
    if (!fuse<kType>(from, count)) return false;
    for (std::uint64_t i = 0; i < count; i += 16) {
      const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i * 2));
      const Pair scale = widen<kEvenOdd, kType>(bits);
      Pair zero = {_mm256_set1_ps(1 << (kBits - 1)), _mm256_set1_ps(1 << (kBits - 1))};
      if (packed != nullptr) {
        const unsigned char* at = packed + i * kBits / 8;
        zero =
            zeros<kEvenOdd, kBits>(_mm_add_epi32(kBits == 4 ? load_64(at) : load_128(at), addend));
      }
      _mm256_store_ps(scales + i, scale.first);
      _mm256_store_ps(scales + i + 8, scale.second);
      _mm256_store_ps(offsets + i, _mm256_mul_ps(zero.first, scale.first));
      _mm256_store_ps(offsets + i + 8, _mm256_mul_ps(zero.second, scale.second));
    }
    return true;
  }

  template <FloatType kType>
  static bool fuse(const unsigned char* scales, std::uint64_t count) {
    __m256i least = _mm256_set1_epi16(kLeast<kType>);
    __m256i most = _mm256_set1_epi16(kMost<kType>);
    for (std::uint64_t i = 0; i < count; i += 16) {
      const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(scales + i * 2));
      least = _mm256_min_epi16(least, bits);
      most = _mm256_max_epi16(most, bits);
    }
    const __m256i below = _mm256_cmpgt_epi16(_mm256_set1_epi16(kLeast<kType>), least);
    const __m256i above = _mm256_cmpgt_epi16(most, _mm256_set1_epi16(kMost<kType>));
    return _mm256_movemask_epi8(_mm256_or_si256(below, above)) == 0;
  }

  struct Pair {
    __m256 first;
    __m256 second;
  };

  template <bool kEvenOdd, FloatType kType>
  static Pair widen(__m256i bits) {
    if constexpr (kEvenOdd && kType == FloatType::bfloat16) {
      return {_mm256_castsi256_ps(_mm256_slli_epi32(bits, 16)),
              _mm256_castsi256_ps(_mm256_and_si256(bits, _mm256_set1_epi32(-65536)))};
    }
    if constexpr (kEvenOdd) {
      const __m256i order = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15,
                                             0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
      bits = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(bits, order), 0xd8);
    }
    const __m128i low = _mm256_castsi256_si128(bits);
    const __m128i high = _mm256_extracti128_si256(bits, 1);
    if constexpr (kType == FloatType::float16) {
      return {_mm256_cvtph_ps(low), _mm256_cvtph_ps(high)};
    }
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(low), 16)),
            _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(high), 16))};
  }

  template <bool kEvenOdd, std::uint32_t kBits>
  static Pair zeros(__m128i words) {
    __m128i first = words;
    __m128i second = words;
    if constexpr (kBits == 4) {
      const __m128i low = _mm_set1_epi8(15);
      first = _mm_and_si128(words, low);
      second = _mm_and_si128(_mm_srli_epi16(words, 4), low);
      if constexpr (!kEvenOdd) {
        first = _mm_unpacklo_epi8(first, second);
        second = _mm_unpackhi_epi64(first, first);
      }
    } else if constexpr (kEvenOdd) {
      const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
      first = _mm_shuffle_epi8(words, order);
      second = _mm_unpackhi_epi64(first, first);
    } else {
      second = _mm_unpackhi_epi64(first, first);
    }
    return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(first)),
            _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(second))};
  }
};

}  // namespace
}  // namespace thaw::kernels
