// Conversions with F16C, for the AVX2 and AVX-512 kernels. It rounds to nearest even whatever the
// mode says, and knows gradual underflow whatever the flush flags say.
#pragma once

#include "kernels/x86-inl.h"

namespace thaw::kernels {
namespace {

struct F16c {
  static bool load_scales(const void* from, FloatType type, float* out) {
    return widen_scales(load_128(from), type, out);
  }

  static bool load_four_scales(const void* from, FloatType type, float* out) {
    return widen_scales(load_64(from), type, out);
  }

  static bool widen_scales(__m128i bits, FloatType type, float* out) {
    const __m256 values =
        type == FloatType::float16
            ? _mm256_cvtph_ps(bits)
            : _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
    _mm256_store_ps(out, values);
    const __m256 magnitudes = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), values);
    const __m256 rare = _mm256_cmp_ps(magnitudes, _mm256_set1_ps(kRareMagnitude), _CMP_NLT_UQ);
    return _mm256_movemask_ps(rare) == 0;
  }

  static void marlin_units(const unsigned char* first, const unsigned char* second,
                           unsigned char* out) {
    marlin_units_128(first, second, out);
  }

  static void turn_4x4(const void* from, std::uint64_t from_pitch, void* to,
                       std::uint64_t to_pitch) {
    turn_4x4_128(from, from_pitch, to, to_pitch);
  }

  static void fence() { _mm_sfence(); }

  // Eight float16 in a register. Kept there: converting straight to memory takes Zen 5 2.0
  // cycles, converting and then storing 0.75.
  static __m128i halves(__m256 values) {
    __m128i rounded = _mm256_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT);
    asm("" : "+x"(rounded));
    return rounded;
  }

  static constexpr std::uint64_t kCastStep = 8;

  static void widen_half(const unsigned char* from, float* to) {
    _mm256_storeu_ps(to, _mm256_cvtph_ps(load_128(from)));
  }

  // Leaves NaN payloads: the caller makes them canonical.
  static void narrow_half(const float* from, unsigned char* to) {
    store_128(to, halves(_mm256_loadu_ps(from)));
  }
};

}  // namespace
}  // namespace thaw::kernels
