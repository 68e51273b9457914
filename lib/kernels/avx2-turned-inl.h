// GPTQ in any order of groups for bfloat16 with AVX2: sixteen columns of sixteen outputs are made
// and turned in registers. Two columns side by side in words of 32 bits are what rounding leaves
// anyway, so that words are turned, not units.
#pragma once

#include "kernels/avx2-inl.h"
#include "kernels/gptq-factors-inl.h"

namespace thaw::kernels {
namespace {

class Avx2Turned {
 public:
  template <Target kTarget>
  static constexpr bool kServes = kTarget == Target::bfloat16;

  // Columns whose words start at `from`, lines `pitch` bytes apart; every factor fuses, in
  // sequence. Row n goes to to + n * to_pitch, 32 bytes, aligned.
  template <std::uint32_t kBits>
  [[gnu::always_inline]] static void put_sixteen_columns(const unsigned char* from,
                                                         std::uint64_t pitch,
                                                         const SixteenFactors* const* factors,
                                                         unsigned char* to,
                                                         std::uint64_t to_pitch) {
    for (std::uint64_t half = 0; half < 16; half += 8) {
      __m256i first[4];
      __m256i second[4];
      put_eight_columns<kBits>(from + half * 4, pitch, factors, half, first);
      put_eight_columns<kBits>(from + half * 4 + kBits / 4 * pitch, pitch, factors + 8, half,
                               second);
      for (std::uint64_t i = 0; i < 4; ++i) {
        unsigned char* at = to + (half + i) * to_pitch;
        store_256(at, _mm256_permute2x128_si256(first[i], second[i], 0x20));
        store_256(at + 4 * to_pitch, _mm256_permute2x128_si256(first[i], second[i], 0x31));
      }
    }
  }

 private:
  static void store_256(unsigned char* to, __m256i value) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(to), value);
  }

  // Eight outputs of eight columns; rows i and 4 + i are the lanes of rows[i].
  template <std::uint32_t kBits>
  [[gnu::always_inline]] static void put_eight_columns(const unsigned char* from,
                                                       std::uint64_t pitch,
                                                       const SixteenFactors* const* factors,
                                                       std::uint64_t output, __m256i (&rows)[4]) {
    const __m256i line = load_256(from);
    __m256i even = line;
    __m256i odd = line;
    if constexpr (kBits == 4) {  // columns 0, 2, 4, 6 in the bytes of one, and 1, 3, 5, 7
      const __m256i low = _mm256_set1_epi8(15);
      even = _mm256_and_si256(line, low);
      odd = _mm256_and_si256(_mm256_srli_epi32(line, 4), low);
    } else {
      odd = load_256(from + pitch);
    }
    __m256i pairs[4];
    if constexpr (kBits == 4) {
      pairs[0] = pair<0, 0>(even, odd, factors, output);
      pairs[1] = pair<1, 1>(even, odd, factors + 2, output);
      pairs[2] = pair<2, 2>(even, odd, factors + 4, output);
      pairs[3] = pair<3, 3>(even, odd, factors + 6, output);
    } else {
      pairs[0] = pair<0, 1>(even, even, factors, output);
      pairs[1] = pair<2, 3>(even, even, factors + 2, output);
      pairs[2] = pair<0, 1>(odd, odd, factors + 4, output);
      pairs[3] = pair<2, 3>(odd, odd, factors + 6, output);
    }
    const __m256i a = _mm256_unpacklo_epi32(pairs[0], pairs[1]);
    const __m256i b = _mm256_unpackhi_epi32(pairs[0], pairs[1]);
    const __m256i c = _mm256_unpacklo_epi32(pairs[2], pairs[3]);
    const __m256i d = _mm256_unpackhi_epi32(pairs[2], pairs[3]);
    rows[0] = _mm256_unpacklo_epi64(a, c);
    rows[1] = _mm256_unpackhi_epi64(a, c);
    rows[2] = _mm256_unpacklo_epi64(b, d);
    rows[3] = _mm256_unpackhi_epi64(b, d);
  }

  // Column 0 in the lower halves of eight words, column 1 in the upper ones.
  template <int kFirst, int kSecond>
  [[gnu::always_inline]] static __m256i pair(__m256i first, __m256i second,
                                             const SixteenFactors* const* factors,
                                             std::uint64_t output) {
    return Avx2Ops::upper_halves(
        Avx2Ops::round_product(product<kFirst>(first, *factors[0], output)),
        Avx2Ops::round_product(product<kSecond>(second, *factors[1], output)));
  }

  template <int kByte>
  [[gnu::always_inline]] static __m256 product(__m256i words, const SixteenFactors& factors,
                                               std::uint64_t output) {
    return _mm256_fmsub_ps(_mm256_cvtepi32_ps(byte_of<kByte>(words)),
                           _mm256_load_ps(factors.scales + output),
                           _mm256_load_ps(factors.zeros + output));
  }

  template <int kByte>
  static __m256i byte_of(__m256i words) {
    if constexpr (kByte == 0) return _mm256_and_si256(words, _mm256_set1_epi32(255));
    if constexpr (kByte == 3) return _mm256_srli_epi32(words, 24);
    constexpr std::int32_t kPlace = static_cast<std::int32_t>(0x80808000u | kByte);
    return _mm256_shuffle_epi8(
        words, _mm256_setr_epi32(kPlace, kPlace + 4, kPlace + 8, kPlace + 12, kPlace, kPlace + 4,
                                 kPlace + 8, kPlace + 12));
  }

  static __m256i load_256(const unsigned char* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
};

}  // namespace
}  // namespace thaw::kernels
