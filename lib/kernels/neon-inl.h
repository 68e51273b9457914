// Operations for planes-inl.h with NEON of AArch64, which converts float16 in hardware.
#pragma once

#include <arm_neon.h>

#include "kernels/planes-inl.h"

namespace thaw::kernels {
namespace {

struct NeonOps {
  using Arch = xsimd::neon64;
  using Bytes = xsimd::batch<std::uint8_t, Arch>;
  using Floats = xsimd::batch<float, Arch>;
  static constexpr std::uint64_t kLanes = 1;

  static Bytes interleave_low(Bytes a, Bytes b) { return Bytes(vzip1q_u8(a, b)); }
  static Bytes interleave_high(Bytes a, Bytes b) { return Bytes(vzip2q_u8(a, b)); }

  static Bytes interleave_low_16(Bytes a, Bytes b) {
    return Bytes(
        vreinterpretq_u8_u16(vzip1q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b))));
  }
  static Bytes interleave_high_16(Bytes a, Bytes b) {
    return Bytes(
        vreinterpretq_u8_u16(vzip2q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b))));
  }

  typedef unsigned char Wide __attribute__((vector_size(16)));
  static Wide codes_twice(const unsigned char* from) {
    const uint8x16_t codes = vcombine_u8(vld1_u8(from), vcreate_u8(0));
    return reinterpret_cast<Wide>(vzip1q_u8(codes, codes));
  }
  static Wide table_lanes(const unsigned char* from) {
    return reinterpret_cast<Wide>(vld1q_u8(from));
  }
  static Wide look_up(Wide table, Wide index) {
    return reinterpret_cast<Wide>(
        vqtbl1q_u8(reinterpret_cast<uint8x16_t>(table), reinterpret_cast<uint8x16_t>(index)));
  }

  static Bytes lookup(Bytes plane, Bytes codes) { return Bytes(vqtbl1q_u8(plane, codes)); }
  static Bytes repeat(const unsigned char* from) { return Bytes(vld1q_u8(from)); }
  static Bytes high_nibbles(Bytes x) { return Bytes(vshrq_n_u8(x, 4)); }
  static Bytes load_lanes(const unsigned char* from, std::uint64_t) { return repeat(from); }

  // No non-temporal stores here: what they would save is not known on this architecture.
  static void store_stream(unsigned char* to, Bytes value) { vst1q_u8(to, value); }
  static void fence() {}

  template <std::size_t>
  static void serial_codes(const unsigned char* from, Bytes (&codes)[2]) {
    const uint8x16_t bytes = vld1q_u8(from);
    const uint8x16_t low = vandq_u8(bytes, vdupq_n_u8(15));
    const uint8x16_t high = vshrq_n_u8(bytes, 4);
    codes[0] = Bytes(vzip1q_u8(low, high));
    codes[1] = Bytes(vzip2q_u8(low, high));
  }

  // Unit u has codes u and 8 + u in its first byte, 16 + u and 24 + u in its second.
  template <std::size_t>
  static void unit_codes(const unsigned char* from, Bytes (&codes)[2]) {
    const uint8x8x2_t bytes = vld2_u8(from);
    for (int i = 0; i < 2; ++i) {
      const uint8x8_t low = vand_u8(bytes.val[i], vdup_n_u8(15));
      codes[i] = Bytes(vcombine_u8(low, vshr_n_u8(bytes.val[i], 4)));
    }
  }

  // vld4 hands out words j, 4 + j, 8 + j, 12 + j as lane j: marlin-inl.h.
  static void marlin_units(const unsigned char* first, const unsigned char* second,
                           unsigned char* out) {
    std::uint32_t words[2][16];  // vld4q_u32 may not be given any byte address
    __builtin_memcpy(words[0], first, sizeof words[0]);
    __builtin_memcpy(words[1], second, sizeof words[1]);
    const uint32x4x4_t a = vld4q_u32(words[0]);
    const uint32x4x4_t b = vld4q_u32(words[1]);
    const uint8x16_t low = vreinterpretq_u8_u16(vdupq_n_u16(0x00ff));
    for (int j = 0; j < 4; ++j) {
      const uint8x16_t x = vreinterpretq_u8_u32(a.val[j]);
      const uint8x16_t y = vreinterpretq_u8_u32(b.val[j]);
      const uint16x8_t y_up = vshlq_n_u16(vreinterpretq_u16_u8(y), 8);
      const uint16x8_t x_down = vshrq_n_u16(vreinterpretq_u16_u8(x), 8);
      vst1q_u8(out + j * 16, vbslq_u8(low, x, vreinterpretq_u8_u16(y_up)));
      vst1q_u8(out + 64 + j * 16, vbslq_u8(low, vreinterpretq_u8_u16(x_down), y));
    }
  }

  static void turn_4x4(const void* from, std::uint64_t from_pitch, void* to,
                       std::uint64_t to_pitch) {
    uint32x4_t rows[4];
    for (std::uint64_t i = 0; i < 4; ++i) {
      const auto* at = static_cast<const std::uint8_t*>(from) + i * from_pitch;
      rows[i] = vreinterpretq_u32_u8(vld1q_u8(at));
    }
    const uint32x4x2_t ac = vzipq_u32(rows[0], rows[2]);  // a0 c0 a1 c1 | a2 c2 a3 c3
    const uint32x4x2_t bd = vzipq_u32(rows[1], rows[3]);
    for (std::uint64_t i = 0; i < 2; ++i) {
      const uint32x4x2_t turned = vzipq_u32(ac.val[i], bd.val[i]);
      auto* at = static_cast<std::uint8_t*>(to) + 2 * i * to_pitch;
      vst1q_u8(at, vreinterpretq_u8_u32(turned.val[0]));
      vst1q_u8(at + to_pitch, vreinterpretq_u8_u32(turned.val[1]));
    }
  }

  static bool load_four_scales(const void* from, FloatType type, float* out) {
    uint16x4_t bits;
    __builtin_memcpy(&bits, from, sizeof bits);
    const float32x4_t values = type == FloatType::float16
                                   ? vcvt_f32_f16(vreinterpret_f16_u16(bits))
                                   : vreinterpretq_f32_u32(vshll_n_u16(bits, 16));
    vst1q_f32(out, values);
    return vmaxvq_f32(vabsq_f32(values)) < kRareMagnitude;  // false for NaN
  }

  static bool load_scales(const void* from, FloatType type, float* out) {
    const bool first = load_four_scales(from, type, out);
    return load_four_scales(static_cast<const unsigned char*>(from) + 8, type, out + 4) && first;
  }

  static bool all_zero(Floats x) { return vmaxvq_f32(vabsq_f32(x)) == 0; }

  static void round_to_half(Floats (&values)[4]) {
    for (Floats& v : values) v = Floats(vcvt_f32_f16(vcvt_f16_f32(v)));
  }

  static void store_half(const Floats (&values)[4], unsigned char* table) {
    const uint16x8_t low = halves(values[0], values[1]);
    const uint16x8_t high = halves(values[2], values[3]);
    store_two_planes(low, high, table);
  }

  static void store_bfloat16(const Floats (&values)[4], unsigned char* table) {
    uint16x8_t rounded[4];  // the result is in the upper half of each 32 bits
    for (int i = 0; i < 4; ++i) {
      const uint32x4_t bits = vreinterpretq_u32_f32(values[i]);
      const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
      rounded[i] = vreinterpretq_u16_u32(vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd));
    }
    store_two_planes(vuzp2q_u16(rounded[0], rounded[1]), vuzp2q_u16(rounded[2], rounded[3]), table);
  }

  static void store_float(const Floats (&values)[4], unsigned char* table) {
    uint16x8_t bits[4];
    for (int i = 0; i < 4; ++i) bits[i] = vreinterpretq_u16_f32(values[i]);
    store_two_planes(vuzp1q_u16(bits[0], bits[1]), vuzp1q_u16(bits[2], bits[3]), table);
    store_two_planes(vuzp2q_u16(bits[0], bits[1]), vuzp2q_u16(bits[2], bits[3]), table + 32);
  }

  static constexpr std::uint64_t kCastStep = 4;

  static void widen_half(const unsigned char* from, float* to) {
    uint16x4_t bits;
    __builtin_memcpy(&bits, from, sizeof bits);
    vst1q_f32(to, vcvt_f32_f16(vreinterpret_f16_u16(bits)));
  }

  static void widen_bytes(const unsigned char* from, float* to) {
    const uint8x8_t bytes = vcreate_u8(load<std::uint32_t>(from));
    vst1q_f32(to, vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes)))));
  }

  static void narrow_upper(const float* from, unsigned char* to) {
    const uint16x4_t bits = vshrn_n_u32(vreinterpretq_u32_f32(vld1q_f32(from)), 16);
    __builtin_memcpy(to, &bits, sizeof bits);
  }

  static void narrow_half(const float* from, unsigned char* to) {
    const uint16x4_t bits = vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(from)));
    __builtin_memcpy(to, &bits, sizeof bits);
  }

 private:
  static uint16x8_t halves(float32x4_t a, float32x4_t b) {
    return vreinterpretq_u16_f16(vcombine_f16(vcvt_f16_f32(a), vcvt_f16_f32(b)));
  }

  static void store_two_planes(uint16x8_t low, uint16x8_t high, unsigned char* table) {
    const uint8x16_t a = vreinterpretq_u8_u16(low);
    const uint8x16_t b = vreinterpretq_u8_u16(high);
    vst1q_u8(table, vuzp1q_u8(a, b));
    vst1q_u8(table + 16, vuzp2q_u8(a, b));
  }
};

}  // namespace
}  // namespace thaw::kernels
