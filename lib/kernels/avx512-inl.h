// The steps of the kernels with AVX-512 (BW, VL, DQ). A table of 16-bit values fills half a
// register and is repeated in the other half, so that vpermw needs no masking: of its five index
// bits the lower four are the code, and the fifth chooses between equal halves.
#pragma once

#include "kernels/f16c-inl.h"
#include "kernels/gemm-inl.h"
#include "kernels/gemv-inl.h"

namespace thaw::kernels {
namespace {

struct Avx512 : F16c {
  template <Target kTarget>
  static constexpr std::size_t kTableBytes = 16 * sizeof(ElementOf<kTarget>);

  // --- tables

  // The bfloat16 of each lane, in the upper half of the lane. No NaN gets here.
  static __m512i round_to_bfloat16(__m512 values) {
    const __m512i bits = _mm512_castps_si512(values);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    return _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  }

  template <Target kTarget>
  static void store_values(__m512 values, unsigned char* table) {
    if constexpr (kTarget == Target::float32) {
      _mm512_store_ps(table, values);
    } else if constexpr (kTarget == Target::float16) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(table),
                         _mm512_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT));
    } else {
      if constexpr (kTarget == Target::bfloat16_via_float16) {
        values = _mm512_cvtph_ps(_mm512_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT));
      }
      const __m512i rounded = _mm512_srli_epi32(round_to_bfloat16(values), 16);
      _mm256_store_si256(reinterpret_cast<__m256i*>(table), _mm512_cvtepi32_epi16(rounded));
    }
  }

  template <Target kTarget>
  static void product_table(float scale, int zero, unsigned char* table) {
    const __m512 differences = _mm512_loadu_ps(kCodeMinusZero + 15 - zero);
    store_values<kTarget>(_mm512_mul_ps(differences, _mm512_set1_ps(scale)), table);
  }

  template <Target kTarget>
  static bool sum_table(float scale, float zero, unsigned char* table) {
    const __m512 addend = _mm512_set1_ps(zero);
    const __m512 products =
        _mm512_mul_ps(_mm512_loadu_ps(kCodeMinusZero + 15), _mm512_set1_ps(scale));
    const __m512 sums = _mm512_add_ps(products, addend);
    if constexpr (kTarget != Target::float32) {  // one more rounding will follow: this must be none
      const __m512 part = _mm512_sub_ps(sums, products);
      const __m512 error = _mm512_add_ps(_mm512_sub_ps(products, _mm512_sub_ps(sums, part)),
                                         _mm512_sub_ps(addend, part));
      if (_mm512_cmp_ps_mask(error, _mm512_setzero_ps(), _CMP_NEQ_UQ) != 0) return false;
    }
    store_values<kTarget>(sums, table);
    return true;
  }

  template <Target kTarget>
  static void pack_table(const ElementOf<kTarget>* values, unsigned char* table) {
    __builtin_memcpy(table, values, kTableBytes<kTarget>);
  }

  // --- lookup and store

  template <Target>
  using Loaded = __m512i;

  template <Target kTarget>
  static __m512i load_table(const unsigned char* table) {
    if constexpr (kTarget == Target::float32) return _mm512_load_si512(table);
    return _mm512_broadcast_i64x4(_mm256_load_si256(reinterpret_cast<const __m256i*>(table)));
  }

  template <bool kStream>
  static void store_512(unsigned char* to, __m512i value) {
    if constexpr (kStream) {
      _mm512_stream_si512(reinterpret_cast<__m512i*>(to), value);
    } else {
      _mm512_storeu_si512(to, value);
    }
  }

  template <bool kStream>
  static void store_line(unsigned char* to, const unsigned char* from) {
    store_512<kStream>(to, _mm512_load_si512(from));
  }

  // 32 codes, each in the low four bits of a 16-bit lane.
  template <Target kTarget, bool kStream>
  static void put(__m512i table, __m512i codes, unsigned char* out) {
    if constexpr (kTarget == Target::float32) {
      const __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(codes));
      const __m512i high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(codes, 1));
      store_512<kStream>(out, _mm512_permutexvar_epi32(low, table));
      store_512<kStream>(out + 64, _mm512_permutexvar_epi32(high, table));
    } else {
      store_512<kStream>(out, _mm512_permutexvar_epi16(codes, table));
    }
  }

  // Byte b becomes a 32-bit lane, b | b << 12: its low nibble in the lower half, the other above.
  template <Target kTarget, bool kStream>
  static void put_serial(__m512i table, const unsigned char* from, unsigned char* out) {
    const __m512i bytes = _mm512_cvtepu8_epi32(load_128(from));
    put<kTarget, kStream>(table, _mm512_or_si512(bytes, _mm512_slli_epi32(bytes, 12)), out);
  }

  // Sixteen codes with each of two tables.
  template <Target kTarget, bool kStream>
  static void put_serial_pair(__m512i first, __m512i second, const unsigned char* from,
                              unsigned char* out) {
    const __m512i bytes = _mm512_cvtepu8_epi32(load_128(from));
    const __m512i codes = _mm512_or_si512(bytes, _mm512_slli_epi32(bytes, 12));
    if constexpr (kTarget == Target::float32) {
      const __m512i four_bits = _mm512_and_si512(codes, _mm512_set1_epi16(15));
      const __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(four_bits));
      const __m512i high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(four_bits, 1));
      store_512<kStream>(out, _mm512_permutexvar_epi32(low, first));
      store_512<kStream>(out + 64, _mm512_permutexvar_epi32(high, second));
    } else {
      // The fifth bit of an index chooses the table: 0 for the first sixteen, 1 for the others.
      const __m512i four_bits = _mm512_and_si512(codes, _mm512_set1_epi16(15));
      const __m512i halves = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(16), 1);
      const __m512i table = _mm512_mask_blend_epi64(0xf0, first, second);
      store_512<kStream>(out, _mm512_permutexvar_epi16(_mm512_or_si512(four_bits, halves), table));
    }
  }

  // --- float8-inl.h

  typedef unsigned char Wide __attribute__((vector_size(64)));
  static Wide codes_twice(const unsigned char* from) {
    const __m512i lanes = _mm512_set_epi64(3, 3, 2, 2, 1, 1, 0, 0);
    const __m128i order = _mm_setr_epi8(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    const __m512i spread = _mm512_permutexvar_epi64(lanes, _mm512_castsi256_si512(codes));
    return reinterpret_cast<Wide>(_mm512_shuffle_epi8(spread, _mm512_broadcast_i32x4(order)));
  }
  static Wide table_lanes(const unsigned char* from) {
    return reinterpret_cast<Wide>(_mm512_broadcast_i32x4(load_128(from)));
  }
  static Wide look_up(Wide table, Wide index) {
    return reinterpret_cast<Wide>(
        _mm512_shuffle_epi8(reinterpret_cast<__m512i>(table), reinterpret_cast<__m512i>(index)));
  }
  template <bool kStream>
  static void store_wide(unsigned char* to, Wide value) {
    store_512<kStream>(to, reinterpret_cast<__m512i>(value));
  }

  // The eight units in each 128-bit lane; lane a looks at nibble a.
  template <Target kTarget, bool kStream>
  static void put_units(__m512i table, const unsigned char* from, unsigned char* out) {
    const __m512i units = _mm512_broadcast_i32x4(load_128(from));
    const __m512i shifts =
        _mm512_set_epi64(0x000c000c000c000c, 0x000c000c000c000c, 0x0008000800080008,
                         0x0008000800080008, 0x0004000400040004, 0x0004000400040004, 0, 0);
    put<kTarget, kStream>(table, _mm512_srlv_epi16(units, shifts), out);
  }

  // --- casts and products

  static constexpr std::uint64_t kCastStep = 16;
  static constexpr bool kFuses = false;

  static void widen_half(const unsigned char* from, float* to) {
    _mm512_storeu_ps(to,
                     _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
  }

  // Leaves NaN payloads: the caller makes them canonical.
  static void narrow_half(const float* from, unsigned char* to) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), halves(_mm512_loadu_ps(from)));
  }

  static __m256i halves(__m512 values) {  // kept in a register: see F16c
    __m256i rounded = _mm512_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT);
    asm("" : "+x"(rounded));
    return rounded;
  }

  // Whole vectors, here and below: pieces in memory would keep their readers waiting.
  template <Target>
  static void order_sixteen(const void* from, void* to) {
    _mm512_store_si512(to, _mm512_loadu_si512(from));
  }

  template <Target>
  static bool load_sixteen_scales(const unsigned char* from, FloatType type, float* out) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    const __m512 values =
        type == FloatType::float16
            ? _mm512_cvtph_ps(bits)
            : _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
    _mm512_store_ps(out, values);
    const __m512 magnitudes = _mm512_andnot_ps(_mm512_set1_ps(-0.0f), values);
    return _mm512_cmp_ps_mask(magnitudes, _mm512_set1_ps(kRareMagnitude), _CMP_NLT_UQ) == 0;
  }

  template <Target>
  static void widen_sixteen(const unsigned char* from, float* to) {
    _mm512_store_ps(to, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(load_128(from))));
  }

  template <Target kTarget, bool kStream, std::uint64_t kUpper, std::uint64_t kNext, bool = false>
  static void put_thirty_two(const float* a, const float* b, unsigned char* to) {
    __m512 first = _mm512_load_ps(a);
    __m512 second = _mm512_load_ps(b);
    if constexpr (kTarget == Target::float32) {
      _mm512_storeu_ps(to, first);
      _mm512_storeu_ps(to + kNext, second);
      return;
    }
    static_assert(kTarget == Target::float32 || (kUpper == 16 && kNext == 32));
    if constexpr (kTarget == Target::float16) {
      const __m512i low = _mm512_castsi256_si512(halves(first));
      store_512<kStream>(to, _mm512_inserti64x4(low, halves(second), 1));
    } else {
      if constexpr (kTarget == Target::bfloat16_via_float16) {
        first = _mm512_cvtph_ps(halves(first));
        second = _mm512_cvtph_ps(halves(second));
      }
      store_512<kStream>(to, two_bfloat16(_mm512_castps_si512(first), _mm512_castps_si512(second)));
    }
  }

  // The upper halves of 32 floats, one more where the lower half wants it: the carry of lower +
  // 0x7fff + the upper half's last bit, which is the top bit of the average (x + y + 1) / 2.
  static __m512i two_bfloat16(__m512i a, __m512i b) {
    const __m512i even =
        _mm512_set_epi16(62, 60, 58, 56, 54, 52, 50, 48, 46, 44, 42, 40, 38, 36, 34, 32, 30, 28, 26,
                         24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i one = _mm512_set1_epi16(1);
    const __m512i lower = _mm512_permutex2var_epi16(a, even, b);
    const __m512i upper = _mm512_permutex2var_epi16(a, _mm512_or_si512(even, one), b);
    const __m512i odd = _mm512_or_si512(_mm512_and_si512(upper, one), _mm512_set1_epi16(0x7ffe));
    const __m512i carry = _mm512_srli_epi16(_mm512_avg_epu16(lower, odd), 15);
    return _mm512_add_epi16(upper, carry);
  }

  // --- transposing

  // Scratch of a line: [chunk][quarter][8] vectors, where vector i of chunk c has in lane l the
  // bytes [16 c, 16 c + 16) of row 8 l + i of the quarter.
  static constexpr std::uint64_t kQuarterScratch = 8 * 64;
  static constexpr std::uint64_t kChunkScratch = kQuarters * kQuarterScratch;

  static void arrange(const unsigned char* from, std::uint64_t pitch, unsigned char* scratch,
                      std::uint64_t quarter) {
    unsigned char* to = scratch + quarter * kQuarterScratch;
    for (std::uint64_t i = 0; i < 8; ++i) {
      const __m512i a = _mm512_loadu_si512(from + i * pitch);
      const __m512i b = _mm512_loadu_si512(from + (8 + i) * pitch);
      const __m512i c = _mm512_loadu_si512(from + (16 + i) * pitch);
      const __m512i d = _mm512_loadu_si512(from + (24 + i) * pitch);
      const __m512i ab_low = _mm512_shuffle_i32x4(a, b, 0x44);   // a0 a1 b0 b1
      const __m512i ab_high = _mm512_shuffle_i32x4(a, b, 0xee);  // a2 a3 b2 b3
      const __m512i cd_low = _mm512_shuffle_i32x4(c, d, 0x44);
      const __m512i cd_high = _mm512_shuffle_i32x4(c, d, 0xee);
      unsigned char* at = to + i * 64;
      _mm512_store_si512(at, _mm512_shuffle_i32x4(ab_low, cd_low, 0x88));  // a0 b0 c0 d0
      _mm512_store_si512(at + kChunkScratch, _mm512_shuffle_i32x4(ab_low, cd_low, 0xdd));
      _mm512_store_si512(at + 2 * kChunkScratch, _mm512_shuffle_i32x4(ab_high, cd_high, 0x88));
      _mm512_store_si512(at + 3 * kChunkScratch, _mm512_shuffle_i32x4(ab_high, cd_high, 0xdd));
    }
  }

  // Eight vectors of eight 16-bit units a lane: in each lane, unit u of vector i becomes unit i of
  // vector u. Three rounds of a perfect shuffle between the vectors' halves.
  static void transpose_units(__m512i (&v)[8]) {
    for (int round = 0; round < 3; ++round) {
      __m512i t[8];
      for (int i = 0; i < 4; ++i) {
        t[2 * i] = _mm512_unpacklo_epi16(v[i], v[i + 4]);
        t[2 * i + 1] = _mm512_unpackhi_epi16(v[i], v[i + 4]);
      }
      for (int i = 0; i < 8; ++i) v[i] = t[i];
    }
  }

  // gptq-turned-inl.h: a vector has two columns, 8 apart, of 16 units.
  static constexpr std::uint64_t kUpperUnits = 16;
  static constexpr std::uint64_t unit_place(std::uint64_t c) {
    return c / 16 * 512 + c % 8 * 64 + c % 16 / 8 * 32;
  }

  static void turn_units(const unsigned char* from, unsigned char* to, std::uint64_t to_pitch) {
    __m512i v[2][8];  // columns 0 to 15, and 16 to 31
    for (int half = 0; half < 2; ++half) {
      for (int i = 0; i < 8; ++i) v[half][i] = _mm512_load_si512(from + half * 512 + i * 64);
      transpose_units(v[half]);
    }
    for (std::uint64_t i = 0; i < 8; ++i) {  // lanes: row i, row 8 + i, and both of 8 more columns
      _mm512_store_si512(to + i * to_pitch, _mm512_shuffle_i32x4(v[0][i], v[1][i], 0x88));
      _mm512_store_si512(to + (8 + i) * to_pitch, _mm512_shuffle_i32x4(v[0][i], v[1][i], 0xdd));
    }
  }

  template <Target kTarget, bool kStream, std::uint64_t kCount, bool kOneTable>
  static void emit(const unsigned char* scratch, std::uint64_t chunk, unsigned char* const* tables,
                   unsigned char* out, std::uint64_t pitch) {
    constexpr std::size_t kStep = kTableBytes<kTarget>;
    constexpr std::uint64_t kRun = kQuarter * sizeof(ElementOf<kTarget>);
    const unsigned char* from = scratch + chunk * kChunkScratch;
    __m512i units[8][kCount];  // unit u of the 16 bytes, for each quarter's 32 rows
    for (std::uint64_t q = 0; q < kCount; ++q) {
      __m512i v[8];
      for (int i = 0; i < 8; ++i) v[i] = _mm512_load_si512(from + q * kQuarterScratch + i * 64);
      transpose_units(v);
      for (int i = 0; i < 8; ++i) units[i][q] = v[i];
    }
    for (std::uint64_t unit = 0; unit < 8; ++unit) {
      for (unsigned n = 0; n < 4; ++n) {
        const std::uint64_t row = unit / 2 * 8 + kColumnOf[unit % 2 * 4 + n];
        unsigned char* to = out + row * pitch;
        __m512i table = load_table<kTarget>(tables[0] + row * kStep);
        for (std::uint64_t q = 0; q < kCount; ++q) {
          if (!kOneTable && q != 0) table = load_table<kTarget>(tables[q] + row * kStep);
          put<kTarget, kStream>(table, _mm512_srli_epi16(units[unit][q], 4 * n), to + q * kRun);
        }
      }
    }
  }
};

}  // namespace
}  // namespace thaw::kernels
