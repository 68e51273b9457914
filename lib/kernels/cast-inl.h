// Casts between float types, one value at a time.
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

template <Target kTarget>
inline std::uint64_t cast_values(const unsigned char* in, FloatType from, unsigned char* out,
                                 std::uint64_t count) {
  const std::uint64_t step = size_of(from);
  std::uint64_t overflows = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double value = static_cast<double>(load_float(in + i * step, from));
    const ElementOf<kTarget> bits = narrow<kTarget>(value);
    store(out + i * sizeof bits, bits);
    overflows += is_infinite<kTarget>(bits) && magnitude_of(value) < __builtin_inf() ? 1 : 0;
  }
  return overflows;
}

// Equal types: the bits as they are, NaN payloads too (specs/numbers.md clause 8).
inline bool cast_is_copy(FloatType from, const OutputFormat& format) { return from == format.type; }

inline std::uint64_t cast_plain(const void* in, FloatType from, void* out,
                                const OutputFormat& format, std::uint64_t count) {
  if (cast_is_copy(from, format)) {
    __builtin_memcpy(out, in, count * size_of(from));
    return 0;
  }
  const auto* source = static_cast<const unsigned char*>(in);
  auto* target = static_cast<unsigned char*>(out);
  switch (target_of(format)) {
    case Target::float16:
      return cast_values<Target::float16>(source, from, target, count);
    case Target::bfloat16:
      return cast_values<Target::bfloat16>(source, from, target, count);
    case Target::bfloat16_via_float16:
      return cast_values<Target::bfloat16_via_float16>(source, from, target, count);
    case Target::float32:
      break;
  }
  return cast_values<Target::float32>(source, from, target, count);
}

}  // namespace
}  // namespace thaw::kernels
