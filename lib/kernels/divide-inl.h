// Quotients of floats, rounded once. Dividends and divisors have at most 24 significant bits, so
// that a quotient is either halfway between two outputs exactly or farther from it than double
// can err: the double's rounding is the exact quotient's. Plain loops that the compiler turns into
// vectors; float16 comes from the instruction set, as for casts.
#pragma once

#include "kernels/cast-inl.h"

namespace thaw::kernels {
namespace {

// odd_float without branches.
inline float odd_quotient(double value) {
  const float nearest = static_cast<float>(value);
  const double back = static_cast<double>(nearest);
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, nearest);
  const std::uint32_t beyond = __builtin_fabs(back) > __builtin_fabs(value) ? 1u : 0u;
  const std::uint32_t inexact = back != value ? 1u : 0u;
  return __builtin_bit_cast(float, (bits - beyond) | inexact);
}

template <class Isa>
class Divider {
  using Steps = Caster<Isa>;

 public:
  static std::uint64_t divide(const unsigned char* in, FloatType from,
                              const unsigned char* divisors, FloatType divisor_type,
                              unsigned char* out, const OutputFormat& format, std::uint64_t count) {
    const Target target = target_of(format);
    const std::uint64_t out_step = size_of(format.type);
    std::uint64_t overflows = 0;
    for (std::uint64_t i = 0; i < count; i += Steps::kBatch) {
      const std::uint64_t batch = count - i < Steps::kBatch ? count - i : Steps::kBatch;
      alignas(64) float values[Steps::kBatch] = {};
      alignas(64) float by[Steps::kBatch];
      for (float& one : by) one = 1;
      Steps::widen(in + i * size_of(from), from, values, batch);
      Steps::widen(divisors + i * size_of(divisor_type), divisor_type, by, batch);
      unsigned char* to = out + i * out_step;
      if (target == Target::float32) {
        overflows += to_float(values, by, to, batch);
        continue;
      }
      for (std::uint64_t k = 0; k < Steps::kBatch; ++k) {
        values[k] = odd_quotient(static_cast<double>(values[k]) / static_cast<double>(by[k]));
      }
      if (target == Target::float16) {
        overflows += Steps::to_half(values, to, batch);
      } else if (target == Target::bfloat16) {
        overflows += Steps::to_bfloat16(values, to, batch);
      } else {
        overflows += Steps::through_half(values, to, batch);
      }
    }
    return overflows;
  }

 private:
  static std::uint64_t to_float(float* values, const float* by, unsigned char* to,
                                std::uint64_t batch) {
    std::uint32_t overflows = 0;
    for (std::uint64_t k = 0; k < Steps::kBatch; ++k) {
      const auto quotient =
          static_cast<float>(static_cast<double>(values[k]) / static_cast<double>(by[k]));
      const bool infinite = is_infinite<Target::float32>(Steps::bits_of(quotient));
      overflows += infinite && Steps::is_finite(values[k]) ? 1u : 0u;
      values[k] = quotient;
    }
    Steps::to_float(values, to, batch);
    return overflows;
  }
};

template <class Isa>
inline std::uint64_t divide_with(const void* in, FloatType from, const void* divisors,
                                 FloatType divisor_type, void* out, const OutputFormat& format,
                                 std::uint64_t count) {
  return Divider<Isa>::divide(static_cast<const unsigned char*>(in), from,
                              static_cast<const unsigned char*>(divisors), divisor_type,
                              static_cast<unsigned char*>(out), format, count);
}

}  // namespace
}  // namespace thaw::kernels
