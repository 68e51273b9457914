// What the x86 instruction sets share: 128-bit steps that are not worth writing wider.
#pragma once

#include <immintrin.h>

#include "kernels/values-inl.h"

namespace thaw::kernels {
namespace {

inline __m128i load_128(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}

inline __m128i load_64(const void* from) {
  return _mm_loadl_epi64(static_cast<const __m128i*>(from));
}

inline void store_128(void* to, __m128i value) {
  _mm_storeu_si128(static_cast<__m128i*>(to), value);
}

// Words j, 4 + j, 8 + j, 12 + j of 64 bytes to lane j.
//   in 0: w0  w1  w2  w3          out 0: w0 w4 w8  w12
//   in 1: w4  w5  w6  w7    ->    out 1: w1 w5 w9  w13
//   in 2: w8  w9  w10 w11         out 2: w2 w6 w10 w14
//   in 3: w12 w13 w14 w15         out 3: w3 w7 w11 w15
inline void turn_words(const unsigned char* from, __m128i (&lane)[4]) {
  const __m128i a = load_128(from);
  const __m128i b = load_128(from + 16);
  const __m128i c = load_128(from + 32);
  const __m128i d = load_128(from + 48);
  const __m128i ab_low = _mm_unpacklo_epi32(a, b);
  const __m128i ab_high = _mm_unpackhi_epi32(a, b);
  const __m128i cd_low = _mm_unpacklo_epi32(c, d);
  const __m128i cd_high = _mm_unpackhi_epi32(c, d);
  lane[0] = _mm_unpacklo_epi64(ab_low, cd_low);
  lane[1] = _mm_unpackhi_epi64(ab_low, cd_low);
  lane[2] = _mm_unpacklo_epi64(ab_high, cd_high);
  lane[3] = _mm_unpackhi_epi64(ab_high, cd_high);
}

// Four rows of four words, transposed (gptq-inl.h).
inline void turn_4x4_128(const void* from, std::uint64_t from_pitch, void* to,
                         std::uint64_t to_pitch) {
  const auto* rows = static_cast<const unsigned char*>(from);
  auto* out = static_cast<unsigned char*>(to);
  const __m128i a = load_128(rows);
  const __m128i b = load_128(rows + from_pitch);
  const __m128i c = load_128(rows + 2 * from_pitch);
  const __m128i d = load_128(rows + 3 * from_pitch);
  const __m128i ab_low = _mm_unpacklo_epi32(a, b);
  const __m128i ab_high = _mm_unpackhi_epi32(a, b);
  const __m128i cd_low = _mm_unpacklo_epi32(c, d);
  const __m128i cd_high = _mm_unpackhi_epi32(c, d);
  store_128(out, _mm_unpacklo_epi64(ab_low, cd_low));
  store_128(out + to_pitch, _mm_unpackhi_epi64(ab_low, cd_low));
  store_128(out + 2 * to_pitch, _mm_unpacklo_epi64(ab_high, cd_high));
  store_128(out + 3 * to_pitch, _mm_unpackhi_epi64(ab_high, cd_high));
}

// See marlin-inl.h. A unit of the first line gives nibbles 0 and 1, one of the second 2 and 3:
//   row m:      second[7:0] first[7:0]       row m + 8:  second[15:8] first[15:8]
inline void marlin_units_128(const unsigned char* first, const unsigned char* second,
                             unsigned char* out) {
  __m128i a[4];
  __m128i b[4];
  turn_words(first, a);
  turn_words(second, b);
  const __m128i low = _mm_set1_epi16(0x00ff);
  for (int j = 0; j < 4; ++j) {
    store_128(out + j * 16, _mm_or_si128(_mm_and_si128(a[j], low), _mm_slli_epi16(b[j], 8)));
    store_128(out + 64 + j * 16,
              _mm_or_si128(_mm_srli_epi16(a[j], 8), _mm_andnot_si128(low, b[j])));
  }
}

}  // namespace
}  // namespace thaw::kernels
