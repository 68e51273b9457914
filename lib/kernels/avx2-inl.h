// Operations for planes-inl.h with AVX2, FMA and F16C.
#pragma once

#include "kernels/f16c-inl.h"
#include "kernels/planes-inl.h"

namespace thaw::kernels {
namespace {

struct Avx2Ops : F16c {
  using Arch = xsimd::avx2;
  using Bytes = xsimd::batch<std::uint8_t, Arch>;
  using Floats = xsimd::batch<float, Arch>;
  static constexpr std::uint64_t kLanes = 2;

  static Bytes interleave_low(Bytes a, Bytes b) { return Bytes(_mm256_unpacklo_epi8(a, b)); }
  static Bytes interleave_high(Bytes a, Bytes b) { return Bytes(_mm256_unpackhi_epi8(a, b)); }
  static Bytes interleave_low_16(Bytes a, Bytes b) { return Bytes(_mm256_unpacklo_epi16(a, b)); }
  static Bytes interleave_high_16(Bytes a, Bytes b) { return Bytes(_mm256_unpackhi_epi16(a, b)); }

  static Bytes lookup(Bytes plane, Bytes codes) { return Bytes(_mm256_shuffle_epi8(plane, codes)); }

  static Bytes repeat(const unsigned char* from) {
    return Bytes(_mm256_broadcastsi128_si256(load_128(from)));
  }

  static Bytes high_nibbles(Bytes x) {
    return Bytes(_mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15)));
  }

  static Bytes load_lanes(const unsigned char* from, std::uint64_t stride) {
    const __m256i low = _mm256_castsi128_si256(load_128(from));
    return Bytes(_mm256_inserti128_si256(low, load_128(from + stride), 1));
  }

  typedef unsigned char Wide __attribute__((vector_size(32)));
  static Wide codes_twice(const unsigned char* from) {
    const __m256i order = _mm256_setr_epi8(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9,
                                           9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15);
    const __m256i codes = _mm256_broadcastsi128_si256(load_128(from));
    return reinterpret_cast<Wide>(_mm256_shuffle_epi8(codes, order));
  }
  static Wide table_lanes(const unsigned char* from) {
    return reinterpret_cast<Wide>(_mm256_broadcastsi128_si256(load_128(from)));
  }
  static Wide look_up(Wide table, Wide index) {
    return reinterpret_cast<Wide>(
        _mm256_shuffle_epi8(reinterpret_cast<__m256i>(table), reinterpret_cast<__m256i>(index)));
  }

  static void store_stream(unsigned char* to, Bytes value) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to), value);
  }

  // Bytes to 16-bit units, nibbles to bytes, after the bytes have been put into the order of
  // planes-inl.h: by fours of them (eight codes) or by twos (four codes).
  template <std::size_t kElement>
  static void serial_codes(const unsigned char* from, Bytes (&codes)[1]) {
    __m128i bytes = load_128(from);
    if constexpr (kElement == 2) {
      bytes = _mm_shuffle_epi32(bytes, 0xd8);
    } else {
      bytes = _mm_shuffle_epi8(bytes,
                               _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    }
    const __m256i units = _mm256_cvtepu8_epi16(bytes);
    const __m256i both = _mm256_or_si256(units, _mm256_slli_epi16(units, 4));
    codes[0] = Bytes(_mm256_and_si256(both, _mm256_set1_epi8(15)));
  }

  // Unit u has codes u, 8 + u, 16 + u, 24 + u. One lane keeps nibbles 0 and 2, the other moves 1
  // and 3 to their place; a shuffle then brings equal nibbles together.
  template <std::size_t kElement>
  static void unit_codes(const unsigned char* from, Bytes (&codes)[1]) {
    const __m256i low = _mm256_set1_epi8(15);
    __m256i units = _mm256_broadcastsi128_si256(load_128(from));
    if constexpr (kElement == 2) {
      units = _mm256_srlv_epi32(units, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
      const __m256i order = _mm256_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15,
                                             0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
      codes[0] = Bytes(_mm256_shuffle_epi8(_mm256_and_si256(units, low), order));
    } else {  // units 0..3 in the first lane, 4..7 in the second, each twice
      units = _mm256_permute4x64_epi64(units, 0x50);
      units = _mm256_srlv_epi64(units, _mm256_setr_epi64x(0, 4, 0, 4));
      const __m256i order = _mm256_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15,
                                             0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
      codes[0] = Bytes(_mm256_shuffle_epi8(_mm256_and_si256(units, low), order));
    }
  }

  static bool all_zero(Floats x) {
    return _mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NEQ_UQ)) == 0;
  }

  static void round_to_half(Floats (&values)[2]) {
    for (Floats& v : values) {
      v = Floats(_mm256_cvtph_ps(_mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT)));
    }
  }

  static void store_planes(unsigned char* table, __m256i two_planes) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(table), two_planes);
  }

  // Lanes: first bytes of eight values, then their second bytes; then first | second.
  static void store_half(const Floats (&values)[2], unsigned char* table) {
    const __m128i low = _mm256_cvtps_ph(values[0], _MM_FROUND_TO_NEAREST_INT);
    const __m128i high = _mm256_cvtps_ph(values[1], _MM_FROUND_TO_NEAREST_INT);
    const __m256i halves = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    const __m256i order = _mm256_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15, 0,
                                           2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    store_planes(table, _mm256_permute4x64_epi64(_mm256_shuffle_epi8(halves, order), 0xd8));
  }

  // The four bytes of four 32-bit values, sorted by place within each lane.
  static __m256i sort_bytes(__m256i values) {
    const __m256i order = _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0,
                                           4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm256_shuffle_epi8(values, order);
  }

  // From a0 b0 a0' b0' | a1 b1 a1' b1' (fours of bytes of values 0..3, 8..11 | 4..7, 12..15, of
  // one place and the next) to a0 a1 b0 b1 | a0' a1' b0' b1', two planes.
  static __m256i join_planes(__m256i x) {
    return _mm256_permutevar8x32_epi32(x, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  }

  static void store_bfloat16(const Floats (&values)[2], unsigned char* table) {
    __m256i sorted[2];
    for (int i = 0; i < 2; ++i) {
      const __m256i bits = _mm256_castps_si256(values[i]);
      const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
      const __m256i up = _mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff));
      sorted[i] = sort_bytes(_mm256_add_epi32(up, odd));
    }
    store_planes(table, join_planes(_mm256_unpackhi_epi32(sorted[0], sorted[1])));
  }

  static void store_float(const Floats (&values)[2], unsigned char* table) {
    const __m256i a = sort_bytes(_mm256_castps_si256(values[0]));
    const __m256i b = sort_bytes(_mm256_castps_si256(values[1]));
    store_planes(table, join_planes(_mm256_unpacklo_epi32(a, b)));
    store_planes(table + 32, join_planes(_mm256_unpackhi_epi32(a, b)));
  }

  // --- products. For bfloat16 sixteen values are arranged as the even ones, then the odd ones.

  template <Target kTarget>
  static constexpr bool kEvenOdd =
      kTarget == Target::bfloat16 || kTarget == Target::bfloat16_via_float16;

  template <Target kTarget>
  static void order_sixteen(const void* from, void* to) {
    const auto* at = static_cast<const unsigned char*>(from);
    if constexpr (!kEvenOdd<kTarget>) {  // whole vectors: pieces would keep their readers waiting
      const auto* vectors = reinterpret_cast<const __m256i*>(at);
      _mm256_store_si256(static_cast<__m256i*>(to), _mm256_loadu_si256(vectors));
      _mm256_store_si256(static_cast<__m256i*>(to) + 1, _mm256_loadu_si256(vectors + 1));
    } else {
      const __m256 first = _mm256_castsi256_ps(two_lanes(at, at + 32));  // 0..3, 8..11
      const __m256 second = _mm256_castsi256_ps(two_lanes(at + 16, at + 48));
      _mm256_store_ps(static_cast<float*>(to), _mm256_shuffle_ps(first, second, 0x88));
      _mm256_store_ps(static_cast<float*>(to) + 8, _mm256_shuffle_ps(first, second, 0xdd));
    }
  }

  template <Target kTarget>
  static bool load_sixteen_scales(const unsigned char* from, FloatType type, float* out) {
    alignas(32) float widened[16];
    const bool first = load_scales(from, type, widened);
    const bool second = load_scales(from + 16, type, widened + 8);
    order_sixteen<kTarget>(widened, out);
    return first && second;
  }

  template <Target kTarget>
  static void widen_sixteen(const unsigned char* from, float* to) {
    __m256i first;
    __m256i second;
    if constexpr (kEvenOdd<kTarget>) {
      const __m256i bytes = _mm256_broadcastsi128_si256(load_128(from));
      first = _mm256_shuffle_epi8(
          bytes, _mm256_setr_epi8(0, -1, -1, -1, 2, -1, -1, -1, 4, -1, -1, -1, 6, -1, -1, -1, 8, -1,
                                  -1, -1, 10, -1, -1, -1, 12, -1, -1, -1, 14, -1, -1, -1));
      second = _mm256_shuffle_epi8(
          bytes, _mm256_setr_epi8(1, -1, -1, -1, 3, -1, -1, -1, 5, -1, -1, -1, 7, -1, -1, -1, 9, -1,
                                  -1, -1, 11, -1, -1, -1, 13, -1, -1, -1, 15, -1, -1, -1));
    } else {
      first = _mm256_cvtepu8_epi32(load_64(from));
      second = _mm256_cvtepu8_epi32(load_64(from + 8));
    }
    _mm256_store_ps(to, _mm256_cvtepi32_ps(first));
    _mm256_store_ps(to + 8, _mm256_cvtepi32_ps(second));
  }

  template <Target kTarget, bool kStream, std::uint64_t kUpper, std::uint64_t kNext, bool kFused>
  [[gnu::always_inline]] static void put_thirty_two(const float* a, const float* b,
                                                    unsigned char* to) {
    put_sixteen<kTarget, kStream, kUpper, kFused>(a, to);
    put_sixteen<kTarget, kStream, kUpper, kFused>(b, to + kNext);
  }

  static constexpr bool kFuses = true;

  static void multiply_subtract(const float* values, const float* scales, const float* offsets,
                                float* products) {
    for (int i = 0; i < 16; i += 8) {
      _mm256_store_ps(products + i,
                      _mm256_fmsub_ps(_mm256_load_ps(values + i), _mm256_load_ps(scales + i),
                                      _mm256_load_ps(offsets + i)));
    }
  }

  static void multiply_subtract(const float* values, float scale, float offset, float* products) {
    for (int i = 0; i < 16; i += 8) {
      _mm256_store_ps(products + i, _mm256_fmsub_ps(_mm256_load_ps(values + i),
                                                    _mm256_set1_ps(scale), _mm256_set1_ps(offset)));
    }
  }

  // To a bfloat16, by floating point: in 65536 x + x the last bit is worth that of x as a
  // bfloat16. What is then taken off again is exact. A tie goes to even since 65536 x is even: a
  // product has 19 bits at most. x is not tiny, not huge, and no negative zero.
  static __m256 round_product(__m256 x) {
    const __m256 sum = _mm256_mul_ps(x, _mm256_set1_ps(0x1.0001p16f));
    return _mm256_fnmadd_ps(x, _mm256_set1_ps(0x1p16f), sum);
  }

  static __m256i upper_halves(__m256 even, __m256 odd) {
    return _mm256_blend_epi16(_mm256_srli_epi32(_mm256_castps_si256(even), 16),
                              _mm256_castps_si256(odd), 0xaa);
  }

 private:
  static __m256i two_lanes(const unsigned char* low, const unsigned char* high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(load_128(low)), load_128(high), 1);
  }

  template <Target kTarget, bool kStream, std::uint64_t kUpper, bool kFused>
  [[gnu::always_inline]] static void put_sixteen(const float* values, unsigned char* to) {
    __m256 first = _mm256_load_ps(values);
    __m256 second = _mm256_load_ps(values + 8);
    if constexpr (kTarget == Target::float32) {
      __builtin_memcpy(to, values, 64);
    } else if constexpr (kTarget == Target::float16) {
      const __m128i low = halves(first);
      const __m128i high = halves(second);
      if constexpr (kUpper == 16) {
        const __m256i both = _mm256_castsi128_si256(low);
        put_units<kStream, kUpper>(_mm256_inserti128_si256(both, high, 1), to);
      } else {
        store_128(to, low);
        store_128(to + kUpper, high);
      }
    } else if constexpr (kTarget == Target::bfloat16 && kFused) {
      put_units<kStream, kUpper>(upper_halves(round_product(first), round_product(second)), to);
    } else {
      if constexpr (kTarget == Target::bfloat16_via_float16) {
        first = _mm256_cvtph_ps(halves(first));
        second = _mm256_cvtph_ps(halves(second));
      }
      put_units<kStream, kUpper>(
          two_bfloat16(_mm256_castps_si256(first), _mm256_castps_si256(second)), to);
    }
  }

  // The upper halves of eight even and eight odd floats, in sequence, one more where the lower half
  // wants it: the carry of lower + 0x7fff + the upper half's last bit, which is the top bit of the
  // average (x + y + 1) / 2.
  [[gnu::always_inline]] static __m256i two_bfloat16(__m256i even, __m256i odd) {
    const __m256i upper = _mm256_blend_epi16(_mm256_srli_epi32(even, 16), odd, 0xaa);
    const __m256i lower = _mm256_blend_epi16(even, _mm256_slli_epi32(odd, 16), 0xaa);
    const __m256i last = _mm256_and_si256(upper, _mm256_set1_epi16(1));
    const __m256i bias = _mm256_or_si256(last, _mm256_set1_epi16(0x7ffe));
    const __m256i carry = _mm256_srli_epi16(_mm256_avg_epu16(lower, bias), 15);
    return _mm256_add_epi16(upper, carry);
  }

  // Sixteen units: in one piece where they stay together, as pieces of non-temporal stores are
  // slow.
  template <bool kStream, std::uint64_t kUpper>
  static void put_units(__m256i units, unsigned char* to) {
    static_assert(!kStream || kUpper == 16);
    if constexpr (kStream) {
      _mm256_stream_si256(reinterpret_cast<__m256i*>(to), units);
    } else if constexpr (kUpper == 16) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), units);
    } else {
      store_128(to, _mm256_castsi256_si128(units));
      store_128(to + kUpper, _mm256_extracti128_si256(units, 1));
    }
  }
};

}  // namespace
}  // namespace thaw::kernels
