// Operations for planes-inl.h with SSSE3, which has no float16: it is made of integer steps.
#pragma once

#include "kernels/planes-inl.h"
#include "kernels/x86-inl.h"

namespace thaw::kernels {
namespace {

struct Ssse3Ops {
  using Arch = xsimd::ssse3;
  using Bytes = xsimd::batch<std::uint8_t, Arch>;
  using Floats = xsimd::batch<float, Arch>;
  static constexpr std::uint64_t kLanes = 1;

  static Bytes interleave_low(Bytes a, Bytes b) { return Bytes(_mm_unpacklo_epi8(a, b)); }
  static Bytes interleave_high(Bytes a, Bytes b) { return Bytes(_mm_unpackhi_epi8(a, b)); }
  static Bytes interleave_low_16(Bytes a, Bytes b) { return Bytes(_mm_unpacklo_epi16(a, b)); }
  static Bytes interleave_high_16(Bytes a, Bytes b) { return Bytes(_mm_unpackhi_epi16(a, b)); }

  static Bytes lookup(Bytes plane, Bytes codes) { return Bytes(_mm_shuffle_epi8(plane, codes)); }
  static Bytes repeat(const unsigned char* from) { return Bytes(load_128(from)); }

  static Bytes high_nibbles(Bytes x) {
    return Bytes(_mm_and_si128(_mm_srli_epi16(x, 4), _mm_set1_epi8(15)));
  }

  static Bytes load_lanes(const unsigned char* from, std::uint64_t) { return repeat(from); }

  static void store_stream(unsigned char* to, Bytes value) {
    _mm_stream_si128(reinterpret_cast<__m128i*>(to), value);
  }

  static void fence() { _mm_sfence(); }

  typedef unsigned char Wide __attribute__((vector_size(16)));
  static Wide codes_twice(const unsigned char* from) {
    const __m128i codes = load_64(from);
    return reinterpret_cast<Wide>(_mm_unpacklo_epi8(codes, codes));
  }
  static Wide table_lanes(const unsigned char* from) {
    return reinterpret_cast<Wide>(load_128(from));
  }
  static Wide look_up(Wide table, Wide index) {
    return reinterpret_cast<Wide>(
        _mm_shuffle_epi8(reinterpret_cast<__m128i>(table), reinterpret_cast<__m128i>(index)));
  }

  static void marlin_units(const unsigned char* first, const unsigned char* second,
                           unsigned char* out) {
    marlin_units_128(first, second, out);
  }

  static void turn_4x4(const void* from, std::uint64_t from_pitch, void* to,
                       std::uint64_t to_pitch) {
    turn_4x4_128(from, from_pitch, to, to_pitch);
  }

  // With one lane the codes are in their natural order, whatever the size of a value.
  template <std::size_t>
  static void serial_codes(const unsigned char* from, Bytes (&codes)[2]) {
    const Bytes bytes(load_128(from));
    const Bytes low = bytes & Bytes(std::uint8_t{15});
    const Bytes high = high_nibbles(bytes);
    codes[0] = interleave_low(low, high);
    codes[1] = interleave_high(low, high);
  }

  template <std::size_t>
  static void unit_codes(const unsigned char* from, Bytes (&codes)[2]) {
    const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    const Bytes bytes(_mm_shuffle_epi8(load_128(from), order));
    const Bytes low = bytes & Bytes(std::uint8_t{15});
    const Bytes high = high_nibbles(bytes);
    codes[0] = Bytes(_mm_unpacklo_epi64(low, high));
    codes[1] = Bytes(_mm_unpackhi_epi64(low, high));
  }

  static bool load_scales(const void* from, FloatType type, float* out) {
    return widen_scales(load_128(from), type, out);
  }

  static bool load_four_scales(const void* from, FloatType type, float* out) {
    return widen_scales(load_64(from), type, out);
  }

  static bool widen_scales(__m128i bits, FloatType type, float* out) {
    const __m128i zero = _mm_setzero_si128();
    __m128 rare = _mm_setzero_ps();
    for (int i = 0; i < 2; ++i) {
      // Each value in the upper half of its 32 bits.
      const __m128i upper =
          i == 0 ? _mm_unpacklo_epi16(zero, bits) : _mm_unpackhi_epi16(zero, bits);
      const __m128 values =
          type == FloatType::float16 ? widen(_mm_srli_epi32(upper, 16)) : _mm_castsi128_ps(upper);
      _mm_store_ps(out + 4 * i, values);
      const __m128 magnitudes = _mm_andnot_ps(_mm_set1_ps(-0.0f), values);
      rare = _mm_or_ps(rare, _mm_cmpnlt_ps(magnitudes, _mm_set1_ps(kRareMagnitude)));
    }
    return _mm_movemask_ps(rare) == 0;
  }

  static bool all_zero(Floats x) {
    return _mm_movemask_ps(_mm_cmpneq_ps(x, _mm_setzero_ps())) == 0;
  }

  static void round_to_half(Floats (&values)[4]) {
    for (Floats& v : values) v = Floats(widen(narrow_to_half(v)));
  }

  static void store_half(const Floats (&values)[4], unsigned char* table) {
    __m128i bits[4];
    for (int i = 0; i < 4; ++i) bits[i] = narrow_to_half(values[i]);
    store_planes<2, 0>(bits, table);
  }

  static void store_bfloat16(const Floats (&values)[4], unsigned char* table) {
    __m128i bits[4];
    for (int i = 0; i < 4; ++i) {
      const __m128i b = _mm_castps_si128(values[i]);
      const __m128i odd = _mm_and_si128(_mm_srli_epi32(b, 16), _mm_set1_epi32(1));
      bits[i] = _mm_add_epi32(_mm_add_epi32(b, _mm_set1_epi32(0x7fff)), odd);
    }
    store_planes<2, 2>(bits, table);
  }

  static void store_float(const Floats (&values)[4], unsigned char* table) {
    __m128i bits[4];
    for (int i = 0; i < 4; ++i) bits[i] = _mm_castps_si128(values[i]);
    store_planes<4, 0>(bits, table);
  }

 private:
  static __m128i choose(__m128i mask, __m128i yes, __m128i no) {
    return _mm_or_si128(_mm_and_si128(mask, yes), _mm_andnot_si128(mask, no));
  }

  // float16 in the low half of 32 bits to float32. A subnormal float16, moved to the place of a
  // float32's fraction and exponent, is a float32 2^112 too small, like a normal one.
  static __m128 widen(__m128i half) {
    const __m128i magnitude = _mm_and_si128(half, _mm_set1_epi32(0x7fff));
    const __m128 scaled =
        _mm_mul_ps(_mm_castsi128_ps(_mm_slli_epi32(magnitude, 13)), _mm_set1_ps(0x1p112f));
    const __m128i special = _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x7bff));
    const __m128i exponent = _mm_and_si128(special, _mm_set1_epi32(0x7f800000));
    const __m128i sign = _mm_slli_epi32(_mm_and_si128(half, _mm_set1_epi32(0x8000)), 16);
    return _mm_castsi128_ps(_mm_or_si128(_mm_or_si128(_mm_castps_si128(scaled), exponent), sign));
  }

  // As half_from_float in float-inl.h, without NaN: it never gets here.
  static __m128i narrow_to_half(__m128 value) {
    const __m128 sign_bit = _mm_set1_ps(-0.0f);
    const __m128i sign = _mm_srli_epi32(_mm_castps_si128(_mm_and_ps(value, sign_bit)), 16);
    // 2^16 becomes infinity by itself, and so must everything above.
    const __m128 magnitude = _mm_min_ps(_mm_andnot_ps(sign_bit, value), _mm_set1_ps(0x1p16f));
    const __m128i bits = _mm_castps_si128(magnitude);
    const __m128i odd = _mm_and_si128(_mm_srli_epi32(bits, 13), _mm_set1_epi32(1));
    const __m128i up = _mm_add_epi32(bits, _mm_set1_epi32(0xfff - 0x38000000));
    const __m128i normal = _mm_srli_epi32(_mm_add_epi32(up, odd), 13);
    const __m128i subnormal = _mm_sub_epi32(
        _mm_castps_si128(_mm_add_ps(magnitude, _mm_set1_ps(0.5f))), _mm_set1_epi32(0x3f000000));
    const __m128i small = _mm_cmplt_epi32(bits, _mm_set1_epi32(0x38800000));
    return _mm_or_si128(sign, choose(small, subnormal, normal));
  }

  // kCount planes from byte kFirst of each value on.
  template <int kCount, int kFirst>
  static void store_planes(const __m128i (&bits)[4], unsigned char* table) {
    const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m128i sorted[4];  // four bytes of each place
    for (int i = 0; i < 4; ++i) sorted[i] = _mm_shuffle_epi8(bits[i], order);
    if constexpr (kFirst == 0) {
      const __m128i a = _mm_unpacklo_epi32(sorted[0], sorted[1]);
      const __m128i b = _mm_unpacklo_epi32(sorted[2], sorted[3]);
      store_128(table, _mm_unpacklo_epi64(a, b));
      store_128(table + 16, _mm_unpackhi_epi64(a, b));
    }
    if constexpr (kFirst + kCount == 4) {
      const __m128i a = _mm_unpackhi_epi32(sorted[0], sorted[1]);
      const __m128i b = _mm_unpackhi_epi32(sorted[2], sorted[3]);
      store_128(table + 16 * (2 - kFirst), _mm_unpacklo_epi64(a, b));
      store_128(table + 16 * (3 - kFirst), _mm_unpackhi_epi64(a, b));
    }
  }

 public:
  static constexpr std::uint64_t kCastStep = 4;

  static void widen_half(const unsigned char* from, float* to) {
    const __m128i bits = load_64(from);
    _mm_storeu_ps(to, widen(_mm_unpacklo_epi16(bits, _mm_setzero_si128())));
  }

  static void widen_bytes(const unsigned char* from, float* to) {
    const __m128i zero = _mm_setzero_si128();
    const __m128i units = _mm_unpacklo_epi8(_mm_cvtsi32_si128(load<std::int32_t>(from)), zero);
    _mm_storeu_ps(to, _mm_cvtepi32_ps(_mm_unpacklo_epi16(units, zero)));
  }

  // The lower halves of four 32-bit values, as a signed saturation of their sign extensions.
  static void narrow_half(const float* from, unsigned char* to) {
    const __m128i bits = narrow_to_half(_mm_loadu_ps(from));
    store_signed(_mm_srai_epi32(_mm_slli_epi32(bits, 16), 16), to);
  }

  static void narrow_upper(const float* from, unsigned char* to) {
    store_signed(_mm_srai_epi32(_mm_castps_si128(_mm_loadu_ps(from)), 16), to);
  }

 private:
  static void store_signed(__m128i extended, unsigned char* to) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packs_epi32(extended, extended));
  }
};

}  // namespace
}  // namespace thaw::kernels
