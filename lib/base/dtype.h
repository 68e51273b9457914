// The element types of safetensors files (specs/safetensors.md clause 3).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace thaw {

enum class Dtype : std::uint8_t {
  boolean,
  f4,
  f6_e2m3,
  f6_e3m2,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  c64,
  i64,
  u64,
  f64,
};

// "F16", as headers spell it.
[[nodiscard]] std::string_view dtype_name(Dtype dtype);
[[nodiscard]] std::optional<Dtype> parse_dtype(std::string_view name);
// 4 and 6 for the sub-byte types, else a multiple of 8.
[[nodiscard]] std::uint32_t dtype_bits(Dtype dtype);

// The three types that thaw computes.
[[nodiscard]] constexpr bool is_output_dtype(Dtype dtype) {
  return dtype == Dtype::f16 || dtype == Dtype::bf16 || dtype == Dtype::f32;
}
// "float16", as configs and --dtype spell it; only for is_output_dtype.
[[nodiscard]] std::string_view torch_dtype_name(Dtype dtype);
// "float16", "bfloat16", "float32", also with a "torch." prefix.
[[nodiscard]] std::optional<Dtype> parse_torch_dtype(std::string_view name);

}  // namespace thaw
