// (code - zero) * scale by arithmetic, for what has no table: codes of 8 bits, and inputs in any
// order of groups. The product with a 16-bit scale is exact in float32, or infinite where the exact
// value is beyond all types. Only a scale that is infinite or NaN makes a NaN; such scales are told
// apart when they are loaded, and go through narrow().
//
// An `Isa` has the steps of cast-inl.h, on kCastStep floats, and
//   widen_bytes(from, to)             kCastStep bytes as floats;
//   narrow_half<kStream>, narrow_upper<kStream> (from, to)   floats rounded to float16; the upper
//                                     halves of 32 bits. With kStream to an aligned address;
//   store_line<kStream>(to, from)     64 bytes, from an aligned address;
//   load_scales(from, type, out)      as in values-inl.h.
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

// Rounds kCastStep floats, none of them NaN.
template <class Isa, Target kTarget, bool kStream>
[[gnu::always_inline]] inline void narrow_lanes(typename Lanes<Isa>::Floats values,
                                                unsigned char* to) {
  using Floats = typename Lanes<Isa>::Floats;
  using Words = typename Lanes<Isa>::Words;
  alignas(64) float floats[Isa::kCastStep];
  if constexpr (kTarget == Target::float32) {
    __builtin_memcpy(to, &values, sizeof values);
    return;
  }
  if constexpr (kTarget != Target::bfloat16) {
    __builtin_memcpy(floats, &values, sizeof values);
    if constexpr (kTarget == Target::float16) {
      Isa::template narrow_half<kStream>(floats, to);
      return;
    }
    alignas(64) unsigned char halves[Isa::kCastStep * 2];
    Isa::narrow_half(floats, halves);
    Isa::widen_half(halves, floats);
    __builtin_memcpy(&values, floats, sizeof values);
  }
  if constexpr (kTarget != Target::float16) {
    const Words bits = __builtin_bit_cast(Words, values);
    const Words rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
    const Floats result = __builtin_bit_cast(Floats, rounded);
    __builtin_memcpy(floats, &result, sizeof result);
    Isa::template narrow_upper<kStream>(floats, to);
  }
}

// `count` floats that wait in memory, as whole cache lines: of float32 only, whose loads are as
// wide as the stores just before them.
template <class Isa, bool kStream>
inline void store_lines(unsigned char* to, const void* from, std::uint64_t bytes) {
  for (std::uint64_t at = 0; at < bytes; at += 64) {
    Isa::template store_line<kStream>(to + at, static_cast<const unsigned char*>(from) + at);
  }
}

// What a run of 8-bit codes shares. Rare: the scale is huge, infinite or NaN.
struct ByteFactors {
  float scale;
  float zero;
  bool rare;
};

template <Target kTarget>
[[gnu::noinline, gnu::cold]] void put_rare_bytes(const ByteFactors& factors,
                                                 const unsigned char* from, unsigned char* out) {
  const Product product = {static_cast<double>(factors.scale), static_cast<int>(factors.zero)};
  for (std::uint64_t i = 0; i < kQuarter; ++i) {
    store(out + i * sizeof(ElementOf<kTarget>), narrow<kTarget>(product.at(from[i])));
  }
}

// A quarter: 32 codes.
template <class Isa, Target kTarget, bool kStream>
inline void put_bytes(const ByteFactors& factors, const unsigned char* from, unsigned char* out) {
  using Floats = typename Lanes<Isa>::Floats;
  constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
  constexpr std::uint64_t kStep = Isa::kCastStep;
  alignas(64) unsigned char line[kQuarter * kElement];
  if (factors.rare) [[unlikely]] {
    put_rare_bytes<kTarget>(factors, from, line);
    return store_lines<Isa, kStream>(out, line, sizeof line);
  }
  constexpr bool kThrough = kStream && kTarget == Target::float32;
  unsigned char* to = kThrough ? line : out;
  for (std::uint64_t i = 0; i < kQuarter; i += kStep) {
    alignas(64) float codes[kStep];
    Isa::widen_bytes(from + i, codes);
    Floats values;
    __builtin_memcpy(&values, codes, sizeof values);
    narrow_lanes<Isa, kTarget, kStream>((values - factors.zero) * factors.scale, to + i * kElement);
  }
  if constexpr (kThrough) store_lines<Isa, true>(out, line, sizeof line);
}

}  // namespace
}  // namespace thaw::kernels
