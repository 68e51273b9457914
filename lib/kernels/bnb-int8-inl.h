// bnb_int8, LLM.int8 of bitsandbytes: code * scale / 127, one float32 scale a row, codes as signed
// bytes (specs/bitsandbytes.md). Each row has 256 values, which are made once. Plain C++ on every
// instruction set.
#pragma once

#include "kernels/ct-plain-inl.h"

namespace thaw::kernels {
namespace {

// The product of a code and a float32 scale is exact in double, as it has at most 32 bits. The bits
// of a quotient by 127 repeat after seven, so no 25 of them look like a tie to 53: rounding it to
// double first changes nothing.
struct Hundred27th {
  double scale;
  [[nodiscard]] double at(int code) const {
    return static_cast<double>(code - 128) * scale / 127.0;
  }
};

struct BnbInt8 {
  static constexpr LayoutId kId = LayoutId::bnb_int8;
  static constexpr std::uint32_t kRowBlock = 1;
  static constexpr bool kScalesByRow = true;
  static constexpr bool kZeroIsFloat = false;

  static Hundred27th factors(const PackedLinear& linear, std::uint64_t row, std::uint64_t) {
    return {load_scale(linear, row, 0)};
  }
  static int code(const PackedLinear&, const unsigned char* codes, std::uint64_t k) {
    return codes[k] ^ 0x80;
  }
};

template <class Isa, Target kTarget>
void bnb_int8_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                   void* out, const OutputFormat&) {
  ct_columns<BnbInt8, kTarget>(linear, row_begin, row_end, 0, linear.in_features, out);
}

}  // namespace
}  // namespace thaw::kernels
