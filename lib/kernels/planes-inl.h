// The steps of the kernels over bytes, for instruction sets whose lookup is 16 bytes in each
// 128-bit lane: a table is cut into planes, one of the first bytes of its sixteen values, one of
// the second bytes and so on; a vector of codes looks up each plane, and interleaving the results
// gives the values. Interleaving stays within lanes, so codes wait in an order that makes the
// results contiguous:
//   two planes, two lanes:   codes  0..7 16..23 |  8..15 24..31
//   four planes, two lanes:  codes  0..3 8..11 16..19 24..27 | 4..7 12..15 20..23 28..31
//
// `Ops` has the operations that differ, or that the older versions of xsimd lack:
//   Arch, kLanes, Bytes, Floats                 batches of that architecture;
//   interleave_low, interleave_high             bytes, within lanes; _16: of 16-bit units;
//   high_nibbles(x)                             x >> 4 in each byte;
//   lookup(plane, codes), repeat(from)          16 bytes to every lane; codes are below 16;
//   load_lanes(from, stride)                    lane l from from + l * stride;
//   store_stream(to, x), fence();
//   serial_codes, unit_codes <bytes of a value>(from, codes)   32 codes in the order above;
//   store_half, store_bfloat16, store_float (values, table)    16 floats, rounded, as planes;
//   round_to_half(values)                       in place, the result widened again;
//   all_zero(x)                                 whether every float is zero.
#pragma once

#include <xsimd/xsimd.hpp>

#include "kernels/gemm-inl.h"
#include "kernels/gemv-inl.h"

namespace thaw::kernels {
namespace {

template <class Ops>
struct Planes : Ops {
  using Bytes = typename Ops::Bytes;
  using Floats = typename Ops::Floats;

  static constexpr std::uint64_t kLanes = Ops::kLanes;
  static constexpr std::uint64_t kVector = 16 * kLanes;          // bytes; codes of one lookup
  static constexpr std::uint64_t kLookups = kQuarter / kVector;  // for 32 codes
  static constexpr int kParts = static_cast<int>(16 / Floats::size);

  template <Target kTarget>
  static constexpr std::size_t kTableBytes = 16 * sizeof(ElementOf<kTarget>);

  // --- tables

  template <Target kTarget>
  static void store_values(Floats (&values)[kParts], unsigned char* table) {
    if constexpr (kTarget == Target::float32) {
      Ops::store_float(values, table);
    } else if constexpr (kTarget == Target::float16) {
      Ops::store_half(values, table);
    } else {
      if constexpr (kTarget == Target::bfloat16_via_float16) Ops::round_to_half(values);
      Ops::store_bfloat16(values, table);
    }
  }

  template <Target kTarget>
  static void product_table(float scale, int zero, unsigned char* table) {
    const float* differences = kCodeMinusZero + 15 - zero;
    Floats values[kParts];
    for (int i = 0; i < kParts; ++i) {
      values[i] = Floats::load_unaligned(differences + i * Floats::size) * Floats(scale);
    }
    store_values<kTarget>(values, table);
  }

  template <Target kTarget>
  static bool sum_table(float scale, float zero, unsigned char* table) {
    const Floats addend(zero);
    Floats sums[kParts];
    Floats errors(0.0f);  // the magnitudes, added up
    for (int i = 0; i < kParts; ++i) {
      const Floats codes = Floats::load_unaligned(kCodeMinusZero + 15 + i * Floats::size);
      const Floats product = codes * Floats(scale);
      sums[i] = product + addend;
      const Floats part = sums[i] - product;
      const Floats error = (product - (sums[i] - part)) + (addend - part);
      errors = errors + xsimd::abs(error);
    }
    // float32 output is finished. The others will be rounded once more: this must not have been.
    if (kTarget != Target::float32 && !Ops::all_zero(errors)) return false;
    store_values<kTarget>(sums, table);
    return true;
  }

  template <Target kTarget>
  static void pack_table(const ElementOf<kTarget>* values, unsigned char* table) {
    for (std::size_t plane = 0; plane < sizeof *values; ++plane) {
      for (std::size_t code = 0; code < 16; ++code) {
        table[plane * 16 + code] = static_cast<unsigned char>(values[code] >> (8 * plane));
      }
    }
  }

  // --- lookup and store

  template <Target kTarget>
  struct Loaded {
    Bytes plane[sizeof(ElementOf<kTarget>)];
  };

  template <Target kTarget>
  static Loaded<kTarget> load_table(const unsigned char* table) {
    Loaded<kTarget> loaded;
    for (std::size_t i = 0; i < sizeof(ElementOf<kTarget>); ++i) {
      loaded.plane[i] = Ops::repeat(table + i * 16);
    }
    return loaded;
  }

  template <bool kStream>
  static void store_vector(unsigned char* to, Bytes value) {
    if constexpr (kStream) {
      Ops::store_stream(to, value);
    } else {
      value.store_unaligned(to);
    }
  }

  template <bool kStream>
  static void store_line(unsigned char* to, const unsigned char* from) {
    for (std::uint64_t at = 0; at < 64; at += kVector) {
      store_vector<kStream>(to + at, Bytes::load_aligned(from + at));
    }
  }

  template <Target kTarget, bool kStream>
  static void put(const Loaded<kTarget>& table, Bytes codes, unsigned char* out) {
    put_part<kTarget, kStream, true, true>(table, codes, out);
  }

  // The first halves of the lanes, the second ones, or both.
  template <Target kTarget, bool kStream, bool kLow, bool kHigh>
  static void put_part(const Loaded<kTarget>& table, Bytes codes, unsigned char* out) {
    const Bytes byte0 = Ops::lookup(table.plane[0], codes);
    const Bytes byte1 = Ops::lookup(table.plane[1], codes);
    const Bytes low = Ops::interleave_low(byte0, byte1);
    const Bytes high = Ops::interleave_high(byte0, byte1);
    if constexpr (kTarget == Target::float32) {
      const Bytes byte2 = Ops::lookup(table.plane[2], codes);
      const Bytes byte3 = Ops::lookup(table.plane[3], codes);
      const Bytes upper_low = Ops::interleave_low(byte2, byte3);
      const Bytes upper_high = Ops::interleave_high(byte2, byte3);
      if constexpr (kLow) {
        store_vector<kStream>(out, Ops::interleave_low_16(low, upper_low));
        store_vector<kStream>(out + kVector, Ops::interleave_high_16(low, upper_low));
      }
      if constexpr (kHigh) {
        store_vector<kStream>(out + 2 * kVector, Ops::interleave_low_16(high, upper_high));
        store_vector<kStream>(out + 3 * kVector, Ops::interleave_high_16(high, upper_high));
      }
    } else {
      if constexpr (kLow) store_vector<kStream>(out, low);
      if constexpr (kHigh) store_vector<kStream>(out + kVector, high);
    }
  }

  // float8-inl.h
  template <bool kStream>
  static void store_wide(unsigned char* to, typename Ops::Wide value) {
    static_assert(sizeof value == kVector);
    alignas(64) unsigned char bytes[kVector];
    __builtin_memcpy(bytes, &value, kVector);
    store_vector<kStream>(to, Bytes::load_aligned(bytes));
  }

  template <Target kTarget, bool kStream>
  static void put_all(const Loaded<kTarget>& table, const Bytes (&codes)[kLookups],
                      unsigned char* out) {
    for (std::uint64_t i = 0; i < kLookups; ++i) {
      put<kTarget, kStream>(table, codes[i], out + i * kVector * sizeof(ElementOf<kTarget>));
    }
  }

  template <Target kTarget, bool kStream>
  static void put_serial(const Loaded<kTarget>& table, const unsigned char* from,
                         unsigned char* out) {
    Bytes codes[kLookups];
    Ops::template serial_codes<sizeof(ElementOf<kTarget>)>(from, codes);
    put_all<kTarget, kStream>(table, codes, out);
  }

  template <Target kTarget, bool kStream>
  static void put_units(const Loaded<kTarget>& table, const unsigned char* from,
                        unsigned char* out) {
    Bytes codes[kLookups];
    Ops::template unit_codes<sizeof(ElementOf<kTarget>)>(from, codes);
    put_all<kTarget, kStream>(table, codes, out);
  }

  // Of two lanes the first halves have codes 0 to 15, the second ones 16 to 31 (see the top).
  template <Target kTarget, bool kStream>
  static void put_serial_pair(const Loaded<kTarget>& first, const Loaded<kTarget>& second,
                              const unsigned char* from, unsigned char* out) {
    constexpr std::uint64_t kOut = kVector * sizeof(ElementOf<kTarget>);
    Bytes codes[kLookups];
    Ops::template serial_codes<sizeof(ElementOf<kTarget>)>(from, codes);
    if constexpr (kLookups == 2) {
      put<kTarget, kStream>(first, codes[0], out);
      put<kTarget, kStream>(second, codes[1], out + kOut);
    } else {
      put_part<kTarget, kStream, true, false>(first, codes[0], out);
      put_part<kTarget, kStream, false, true>(second, codes[0], out);
    }
  }

  // --- transposing

  // Scratch of a line: its rows, 64 bytes each.
  static void arrange(const unsigned char* from, std::uint64_t pitch, unsigned char* scratch,
                      std::uint64_t quarter) {
    unsigned char* to = scratch + quarter * kQuarter * kLineBytes;
    for (std::uint64_t i = 0; i < kQuarter; ++i) {
      __builtin_memcpy(to + i * kLineBytes, from + i * pitch, kLineBytes);
    }
  }

  // In each lane, byte b of vector i becomes byte i of vector b. Four rounds of a perfect shuffle
  // between the vectors' halves.
  static void transpose_bytes(Bytes (&v)[16]) {
    for (int round = 0; round < 4; ++round) {
      Bytes t[16];
      for (int i = 0; i < 8; ++i) {
        t[2 * i] = Ops::interleave_low(v[i], v[i + 8]);
        t[2 * i + 1] = Ops::interleave_high(v[i], v[i + 8]);
      }
      for (int i = 0; i < 16; ++i) v[i] = t[i];
    }
  }

  // gptq-turned-inl.h: 64 bytes have four columns, 8 apart, of eight units.
  static constexpr std::uint64_t kUpperUnits = 512;
  static constexpr std::uint64_t unit_place(std::uint64_t c) { return c % 8 * 64 + c / 8 * 16; }

  static void turn_units(const unsigned char* from, unsigned char* to, std::uint64_t to_pitch) {
    for (std::uint64_t half = 0; half < 2; ++half) {
      for (std::uint64_t at = 0; at < 64; at += kVector) {
        turn_eight_units(from + half * kUpperUnits + at, to + half * 8 * to_pitch + at, to_pitch);
      }
    }
  }

  // Three rounds of a perfect shuffle, as in transpose_bytes.
  static void turn_eight_units(const unsigned char* from, unsigned char* to,
                               std::uint64_t to_pitch) {
    Bytes v[8];
    for (std::uint64_t i = 0; i < 8; ++i) v[i] = Bytes::load_aligned(from + i * 64);
    for (int round = 0; round < 3; ++round) {
      Bytes t[8];
      for (int i = 0; i < 4; ++i) {
        t[2 * i] = Ops::interleave_low_16(v[i], v[i + 4]);
        t[2 * i + 1] = Ops::interleave_high_16(v[i], v[i + 4]);
      }
      for (int i = 0; i < 8; ++i) v[i] = t[i];
    }
    for (std::uint64_t i = 0; i < 8; ++i) v[i].store_aligned(to + i * to_pitch);
  }

  // The row that byte i of lane 0 comes from: the order of codes at the top of this file.
  template <std::uint64_t kElement>
  static constexpr std::uint64_t first_lane_row(std::uint64_t i) {
    constexpr std::uint64_t kRun = 16 / kElement;
    return i / kRun * kRun * kLanes + i % kRun;
  }

  template <Target kTarget, bool kStream, std::uint64_t kCount, bool kOneTable>
  static void emit(const unsigned char* scratch, std::uint64_t chunk, unsigned char* const* tables,
                   unsigned char* out, std::uint64_t pitch) {
    constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
    constexpr std::uint64_t kLaneStride = 16 / kElement * kLineBytes;
    constexpr std::uint64_t kAll = kCount * kLookups;
    alignas(64) unsigned char turned[16][kAll][kVector];  // byte b of the 16, for all rows
    for (std::uint64_t part = 0; part < kAll; ++part) {
      const unsigned char* from = scratch + chunk * 16 + part * kVector * kLineBytes;
      Bytes v[16];
      for (std::uint64_t i = 0; i < 16; ++i) {
        v[i] = Ops::load_lanes(from + first_lane_row<kElement>(i) * kLineBytes, kLaneStride);
      }
      transpose_bytes(v);
      for (std::uint64_t b = 0; b < 16; ++b) v[b].store_aligned(turned[b][part]);
    }
    for (std::uint64_t b = 0; b < 16; ++b) {
      for (std::uint64_t high = 0; high < 2; ++high) {
        const std::uint64_t row = b / 4 * 8 + kColumnOf[b % 4 * 2 + high];
        const std::size_t at = row * kTableBytes<kTarget>;
        unsigned char* to = out + row * pitch;
        auto table = load_table<kTarget>(tables[0] + at);
        for (std::uint64_t part = 0; part < kAll; ++part) {
          if (!kOneTable && part != 0 && part % kLookups == 0) {
            table = load_table<kTarget>(tables[part / kLookups] + at);
          }
          const Bytes pair = Bytes::load_aligned(turned[b][part]);
          const Bytes codes = high != 0 ? Ops::high_nibbles(pair) : pair & Bytes(std::uint8_t{15});
          put<kTarget, kStream>(table, codes, to + part * kVector * kElement);
        }
      }
    }
  }
};

}  // namespace
}  // namespace thaw::kernels
