// Casts between float types. In steps of 256 values: widen to float32, narrow from there. The
// loops over float32 are plain, and the compiler turns them into vectors; float16 comes from the
// instruction set (`Isa`: kCastStep, widen_half, narrow_half).
#pragma once

#include "kernels/float-inl.h"

namespace thaw::kernels {
namespace {

template <Target kTarget>
inline bool is_infinite(ElementOf<kTarget> bits) {
  if constexpr (kTarget == Target::float32) return (bits & 0x7fffffffu) == 0x7f800000u;
  if constexpr (kTarget == Target::float16) return (bits & 0x7fffu) == 0x7c00u;
  return (bits & 0x7fffu) == 0x7f80u;
}

// For the scalar table.
struct PlainSteps {
  static constexpr std::uint64_t kCastStep = 1;
  static void widen_half(const unsigned char* from, float* to) {
    *to = float_from_half(load<std::uint16_t>(from));
  }
  static void narrow_half(const float* from, unsigned char* to) {
    store(to, half_from_float(*from));
  }
};

template <class Isa>
class Caster {
 public:
  // Returns how many finite values became infinite.
  static std::uint64_t cast(const unsigned char* in, FloatType from, unsigned char* out,
                            const OutputFormat& format, std::uint64_t count) {
    const Target target = target_of(format);
    const std::uint64_t in_step = size_of(from);
    const std::uint64_t out_step = size_of(format.type);
    std::uint64_t overflows = 0;
    for (std::uint64_t i = 0; i < count; i += kBatch) {
      const std::uint64_t batch = count - i < kBatch ? count - i : kBatch;
      alignas(64) float values[kBatch] = {};
      widen(in + i * in_step, from, values, batch);
      unsigned char* to = out + i * out_step;
      switch (target) {
        case Target::float16:
          overflows += to_half(values, to, batch);
          break;
        case Target::bfloat16:
          overflows += to_bfloat16(values, to, batch);
          break;
        case Target::bfloat16_via_float16:
          overflows += through_half(values, to, batch);
          break;
        case Target::float32:
          to_float(values, to, batch);
          break;
      }
    }
    return overflows;
  }

  // The steps, for divide-inl.h too. `values` is always a whole batch.
  static constexpr std::uint64_t kBatch = 256;

  static std::uint32_t bits_of(float value) { return __builtin_bit_cast(std::uint32_t, value); }
  static bool is_finite(float value) { return (bits_of(value) & 0x7f800000u) != 0x7f800000u; }
  static bool is_nan(float value) { return (bits_of(value) & 0x7fffffffu) > 0x7f800000u; }

  static void widen(const unsigned char* from, FloatType type, float* to, std::uint64_t count) {
    if (type == FloatType::float32) {
      __builtin_memcpy(to, from, count * 4);
    } else if (type == FloatType::bfloat16) {
      for (std::uint64_t i = 0; i < count; ++i) {
        to[i] = float_from_bfloat16(load<std::uint16_t>(from + i * 2));
      }
    } else {
      const std::uint64_t whole = count / Isa::kCastStep * Isa::kCastStep;
      for (std::uint64_t i = 0; i < whole; i += Isa::kCastStep) {
        Isa::widen_half(from + i * 2, to + i);
      }
      for (std::uint64_t i = whole; i < count; ++i) {
        to[i] = float_from_half(load<std::uint16_t>(from + i * 2));
      }
    }
  }

  // Always a whole batch: what follows the values is zero.
  static std::uint64_t half_batch(const float* values, std::uint16_t* halves) {
    for (std::uint64_t i = 0; i < kBatch; i += Isa::kCastStep) {
      Isa::narrow_half(values + i, reinterpret_cast<unsigned char*>(halves + i));
    }
    std::uint32_t overflows = 0;
    for (std::uint64_t i = 0; i < kBatch; ++i) {
      const std::uint16_t bits = is_nan(values[i]) ? kHalfNan : halves[i];
      overflows += is_infinite<Target::float16>(bits) && is_finite(values[i]) ? 1u : 0u;
      halves[i] = bits;
    }
    return overflows;
  }

  static std::uint64_t to_half(const float* values, unsigned char* out, std::uint64_t count) {
    alignas(64) std::uint16_t halves[kBatch];
    const std::uint64_t overflows = half_batch(values, halves);
    __builtin_memcpy(out, halves, count * 2);
    return overflows;
  }

  static std::uint64_t to_bfloat16(const float* values, unsigned char* out, std::uint64_t count) {
    std::uint32_t overflows = 0;
    alignas(64) std::uint16_t rounded[kBatch];
    for (std::uint64_t i = 0; i < kBatch; ++i) {
      const std::uint16_t bits = bfloat16_from_float(values[i]);
      overflows += is_infinite<Target::bfloat16>(bits) && is_finite(values[i]) ? 1u : 0u;
      rounded[i] = bits;
    }
    __builtin_memcpy(out, rounded, count * 2);
    return overflows;
  }

  // What overflows does so on the way to float16.
  static std::uint64_t through_half(float* values, unsigned char* out, std::uint64_t count) {
    alignas(64) std::uint16_t halves[kBatch];
    const std::uint64_t overflows = half_batch(values, halves);
    widen(reinterpret_cast<const unsigned char*>(halves), FloatType::float16, values, kBatch);
    to_bfloat16(values, out, count);
    return overflows;
  }

  static void to_float(const float* values, unsigned char* out, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      store(out + i * 4, is_nan(values[i]) ? kFloatNan : bits_of(values[i]));
    }
  }
};

template <class Isa>
inline std::uint64_t cast_with(const void* in, FloatType from, void* out,
                               const OutputFormat& format, std::uint64_t count) {
  if (from == format.type) {  // the bits as they are: specs/numbers.md clause 7.3
    __builtin_memcpy(out, in, count * size_of(from));
    return 0;
  }
  return Caster<Isa>::cast(static_cast<const unsigned char*>(in), from,
                           static_cast<unsigned char*>(out), format, count);
}

}  // namespace
}  // namespace thaw::kernels
