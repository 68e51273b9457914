// (code - zero) * scale by arithmetic, for what has no table: codes of 8 bits, and inputs in any
// order of groups. The product with a 16-bit scale is exact in float32, or infinite where the exact
// value is beyond all types. Only a scale that is infinite or NaN makes a NaN; such scales are told
// apart when they are loaded, and go through narrow().
//
// The unit is two times 16 values. An `Isa` may want each 16 in an order of its own, that from
// which rounding leaves them in sequence; it has
//   order_sixteen<kTarget>(from, to)              sixteen 32-bit words, put into that order;
//   widen_sixteen<kTarget>(from, to)        sixteen bytes as floats, in that order;
//   put_thirty_two<kTarget, kStream, kUpper, kNext, kFused>(a, b, to)   two sixteens, none NaN,
//                                           rounded: eight of `a` to `to`, the others kUpper bytes
//                                           after, those of `b` kNext bytes after (float32:
//                                           sixteen); kFused: of scales that fuse;
//   store_line<kStream>(to, from)           64 bytes, from an aligned address;
//   load_sixteen_scales<kTarget>(from, type, out)   load_scales (values-inl.h) of sixteen, in
//   order;
// and kCastStep, the floats of its vectors. kStream: to aligned addresses, but not of float32.
//
// Where it kFuses, a multiplication that adds makes code * scale - (zero * scale), in which nothing
// is rounded either. That differs where the product is zero: of a scale that is not positive it
// would have a sign. So only positive scales fuse, from 2^-100 to 2^100, which leaves the rounding
// room above and below:
//   multiply_subtract(values, scales, offsets, products)   values * scales - offsets of sixteen;
//   FusedFactors::load, Turned             avx2-factors-inl.h, avx2-turned-inl.h.
#pragma once

#include "kernels/blocks-inl.h"

namespace thaw::kernels {
namespace {

// Vectors of the compiler: it knows how to add and multiply those of every instruction set.
template <class Isa>
struct Lanes {
  static constexpr std::uint64_t kCount = Isa::kCastStep;
  typedef float Floats __attribute__((vector_size(kCount * 4)));
  typedef std::int32_t Ints __attribute__((vector_size(kCount * 4)));
  typedef std::uint32_t Words __attribute__((vector_size(kCount * 4)));
};

// (values - zeros) * scales of sixteen, all arranged alike.
template <class Isa>
[[gnu::always_inline]] inline void multiply_sixteen(const float* values, const float* scales,
                                                    const float* zeros, float* products) {
  using Floats = typename Lanes<Isa>::Floats;
  for (std::uint64_t i = 0; i < 16; i += Isa::kCastStep) {
    Floats value;
    Floats scale;
    Floats zero;
    __builtin_memcpy(&value, values + i, sizeof value);
    __builtin_memcpy(&scale, scales + i, sizeof scale);
    __builtin_memcpy(&zero, zeros + i, sizeof zero);
    const Floats product = (value - zero) * scale;
    __builtin_memcpy(products + i, &product, sizeof product);
  }
}

// The steps above from those of cast-inl.h, with widen_bytes(from, to), kCastStep bytes as floats,
// and narrow_upper(from, to), the upper halves of kCastStep words; kCastStep at most eight.
template <class Base>
struct StepProducts : Base {
  static constexpr bool kFuses = false;

  template <Target>
  static void order_sixteen(const void* from, void* to) {
    __builtin_memcpy(to, from, 64);
  }

  template <Target>
  static void widen_sixteen(const unsigned char* from, float* to) {
    for (std::uint64_t i = 0; i < 16; i += Base::kCastStep) Base::widen_bytes(from + i, to + i);
  }

  template <Target>
  static bool load_sixteen_scales(const unsigned char* from, FloatType type, float* out) {
    const bool first = Base::load_scales(from, type, out);
    return Base::load_scales(from + 16, type, out + 8) && first;
  }

  template <Target kTarget, bool kStream, std::uint64_t kUpper, std::uint64_t kNext, bool = false>
  static void put_thirty_two(const float* a, const float* b, unsigned char* to) {
    put_sixteen<kTarget, kUpper>(a, to);
    put_sixteen<kTarget, kUpper>(b, to + kNext);
  }

  template <Target kTarget, std::uint64_t kUpper>
  static void put_sixteen(const float* values, unsigned char* to) {
    if constexpr (kTarget == Target::float32) {
      __builtin_memcpy(to, values, 64);
    } else {
      for (std::uint64_t i = 0; i < 16; i += Base::kCastStep) {
        put_step<kTarget>(values + i, i < 8 ? to + i * 2 : to + kUpper + (i - 8) * 2);
      }
    }
  }

  template <Target kTarget>
  static void put_step(const float* values, unsigned char* to) {
    using Words = typename Lanes<Base>::Words;
    if constexpr (kTarget == Target::float16) return Base::narrow_half(values, to);
    alignas(64) float floats[Base::kCastStep];
    if constexpr (kTarget == Target::bfloat16_via_float16) {
      alignas(16) unsigned char halves[Base::kCastStep * 2];
      Base::narrow_half(values, halves);
      Base::widen_half(halves, floats);
      values = floats;
    }
    Words bits;
    __builtin_memcpy(&bits, values, sizeof bits);
    const Words rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
    __builtin_memcpy(floats, &rounded, sizeof rounded);
    Base::narrow_upper(floats, to);
  }
};

// Values that wait in memory, as whole cache lines.
template <class Isa, bool kStream>
inline void store_lines(unsigned char* to, const void* from, std::uint64_t bytes) {
  for (std::uint64_t at = 0; at < bytes; at += 64) {
    Isa::template store_line<kStream>(to + at, static_cast<const unsigned char*>(from) + at);
  }
}

// What a run of 8-bit codes shares. Rare: the scale is huge, infinite or NaN.
struct ByteFactors {
  float scale;
  float zero;  // fused: zero * scale
  bool rare;
  bool fused = false;
};

template <Target kTarget>
[[gnu::noinline, gnu::cold]] void put_rare_bytes(const ByteFactors& factors,
                                                 const unsigned char* from, unsigned char* out) {
  const Product product = {static_cast<double>(factors.scale), static_cast<int>(factors.zero)};
  for (std::uint64_t i = 0; i < kQuarter; ++i) {
    store(out + i * sizeof(ElementOf<kTarget>), narrow<kTarget>(product.at(from[i])));
  }
}

template <class Isa, Target kTarget, bool kStream, bool kFused>
[[gnu::always_inline]] inline void put_usual_bytes(const ByteFactors& factors,
                                                   const unsigned char* from, unsigned char* out) {
  alignas(64) float values[2][16];
  for (int i = 0; i < 2; ++i) {
    using Floats = typename Lanes<Isa>::Floats;
    alignas(64) float codes[16];
    Isa::template widen_sixteen<kTarget>(from + 16 * i, codes);
    if constexpr (kFused) {
      Isa::multiply_subtract(codes, factors.scale, factors.zero, values[i]);
      continue;
    }
    for (std::uint64_t at = 0; at < 16; at += Isa::kCastStep) {
      Floats code;
      __builtin_memcpy(&code, codes + at, sizeof code);
      const Floats product = (code - factors.zero) * factors.scale;
      __builtin_memcpy(values[i] + at, &product, sizeof product);
    }
  }
  if constexpr (kTarget != Target::float32) {
    Isa::template put_thirty_two<kTarget, kStream, 16, 32, kFused>(values[0], values[1], out);
  } else {
    store_lines<Isa, kStream>(out, values, sizeof values);
  }
}

// A quarter: 32 codes.
template <class Isa, Target kTarget, bool kStream>
inline void put_bytes(const ByteFactors& factors, const unsigned char* from, unsigned char* out) {
  if constexpr (Isa::kFuses) {
    if (factors.fused) [[likely]] {
      return put_usual_bytes<Isa, kTarget, kStream, true>(factors, from, out);
    }
  }
  if (factors.rare) [[unlikely]] {
    alignas(64) unsigned char line[kQuarter * sizeof(ElementOf<kTarget>)];
    put_rare_bytes<kTarget>(factors, from, line);
    return store_lines<Isa, kStream>(out, line, sizeof line);
  }
  put_usual_bytes<Isa, kTarget, kStream, false>(factors, from, out);
}

}  // namespace
}  // namespace thaw::kernels
