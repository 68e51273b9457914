// bnb_4bit, nf4 and fp4 of bitsandbytes: number of the code * scale of its block. Codes and blocks
// run over the flat weight, the high half of a byte first (specs/bitsandbytes.md clause 2). Each
// block has sixteen values, which are made once. Plain C++ on every instruction set.
#pragma once

#include "kernels/layouts-inl.h"

namespace thaw::kernels {
namespace {

#if defined(__aarch64__)
using Wide = long double;  // of 113 bits
#else
using Wide = __float128;
#endif

// The scale of a block: product + offset, where it is quantized itself, else product.
struct BlockScale {
  double product;
  double offset;
  bool nested;

  [[nodiscard]] double at(double number) const { return number * (product + offset); }

  // In double, so that rounding it again gives what rounding the exact value would.
  [[nodiscard]] double to_odd(double number) const {
    const Wide exact =
        static_cast<Wide>(number) * (static_cast<Wide>(product) + static_cast<Wide>(offset));
    const double near = static_cast<double>(exact);
    const Wide lost = exact - static_cast<Wide>(near);
    const auto bits = __builtin_bit_cast(std::uint64_t, near);
    if (lost == 0 || bits % 2 == 1) return near;
    const bool away = (lost > 0) == (near > 0);
    return __builtin_bit_cast(double, away ? bits + 1 : bits - 1);
  }
};

// A product of float32s is exact in double. Where the scale is a sum, a value that may lie on the
// other side of a tie than its double is computed once more.
template <Target kTarget>
inline ElementOf<kTarget> narrow_in_block(const BlockScale& scale, double number) {
  const double value = scale.at(number);
  if (!scale.nested || !(value - value == 0)) return narrow<kTarget>(value);
  const double slack = magnitude_of(value) * 0x1p-50;
  const auto low = narrow<kTarget>(value - slack);
  const auto high = narrow<kTarget>(value + slack);
  if (__builtin_memcmp(&low, &high, sizeof low) == 0) return low;
  return narrow<kTarget>(scale.to_odd(number));
}

class BlockScales {
 public:
  explicit BlockScales(const PackedLinear& linear)
      : linear_(linear),
        scales_(static_cast<const unsigned char*>(linear[Role::scales].data)),
        nested_(static_cast<const unsigned char*>(linear[Role::global_scale].data)) {}

  [[nodiscard]] BlockScale of(std::uint64_t block) const {
    if (linear_.nested_table == nullptr) {
      return {static_cast<double>(load<float>(scales_ + block * sizeof(float))), 0, false};
    }
    const float table = linear_.nested_table[scales_[block]];
    const auto factor = load<float>(nested_ + block / linear_.nested_block * sizeof(float));
    return {static_cast<double>(table) * static_cast<double>(factor),
            static_cast<double>(linear_.nested_offset), true};
  }

 private:
  const PackedLinear& linear_;
  const unsigned char* scales_;
  const unsigned char* nested_;
};

inline std::uint32_t bnb_code(const unsigned char* codes, std::uint64_t at) {
  return codes[at / 2] >> (at % 2 == 0 ? 4 : 0) & 15u;
}

template <class Isa, Target kTarget>
void bnb_4bit_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                   void* out, const OutputFormat&) {
  const BlockScales scales(linear);
  const auto* codes = static_cast<const unsigned char*>(linear[Role::codes].data);
  auto* to = static_cast<ElementOf<kTarget>*>(out);
  const std::uint64_t end = row_end * linear.in_features;
  for (std::uint64_t at = row_begin * linear.in_features; at < end;) {
    const std::uint64_t block = at / linear.group_size;
    const std::uint64_t next = (block + 1) * linear.group_size;
    const std::uint64_t stop = next < end ? next : end;
    const BlockScale scale = scales.of(block);
    ElementOf<kTarget> values[16];
    for (int code = 0; code < 16; ++code) {
      values[code] = narrow_in_block<kTarget>(scale, static_cast<double>(linear.table[code]));
    }
    if (at % 2 == 1 && at < stop) *to++ = values[bnb_code(codes, at++)];
    for (; at + 2 <= stop; at += 2, to += 2) {
      const unsigned char byte = codes[at / 2];
      to[0] = values[byte >> 4];
      to[1] = values[byte & 15u];
    }
    if (at < stop) *to++ = values[bnb_code(codes, at++)];
  }
}

struct Bnb4bit {
  static constexpr LayoutId kId = LayoutId::bnb_4bit;
  static constexpr std::uint32_t kRowBlock = 1;
};

}  // namespace
}  // namespace thaw::kernels
