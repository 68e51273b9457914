// Products that AVX2 makes in one step and rounds to bfloat16 by floating point, and the scales
// that keep them from it: specs/numbers.md clauses 1-6.
#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "kernels/case_checks.h"

namespace thaw::test {
namespace {

using kernels::FloatType;
using kernels::OutputFormat;
using kernels::Rounding;
using kernels::Stores;

const Shape kShapes[] = {
    {"gptq", 272, 40, 32, true, 1, 0, 4, true, 4},   // act-order: blocks, and columns and rows left
    {"gptq", 256, 32, 64, false, 0, 0, 4, true, 4},  // no zeros
    {"gptq", 272, 40, 32, true, 0, 0, 8, true, 4},   //
    {"gptq", 160, 40, 32, true, 1, 0, 8, true},      // 8 bits in order
    {"gptq_rows", 300, 48, 16, true, 0, 0, 4, true},  // pieces of 128 outputs, and what is left
    {"gptq_rows", 300, 40, 8, true, 1, 0, 8, true},
    {"gptq_rows", 272, 40, 8, true, 2, 0, 4, true, 4},
    {"gptq_rows", 272, 40, 8, false, 0, 0, 8, true, 8},
    {"ct_pack", 150, 250, 25, true, 0, 0, 8},
    {"ct_pack", 160, 250, 32, true, 1, 0, 8, true},
};

TEST_CASE("fused products: positive scales, up to the bounds, and those that no zero must meet") {
  std::uint32_t seed = 6000;
  for (const Shape& shape : kShapes) {
    for (const FloatType type : {FloatType::float16, FloatType::bfloat16}) {
      for (const Scales scales : {Scales::fused, Scales::nearly_fused}) {
        ++seed;
        if (!runs_slowly() || seed % 4 == 0) check_case(PackedCase(shape, type, scales, seed));
      }
    }
  }
}

TEST_CASE("fused products: every significand, subnormals too, by every difference") {
  const std::uint64_t outputs = static_cast<std::uint64_t>(divided(2048));
  constexpr std::uint64_t kCodes = 256;
  const OutputFormat format = {FloatType::bfloat16, Rounding::exact, Stores::normal};
  const kernels::TableList tables = kernels::available_tables();
  for (const FloatType type : {FloatType::float16, FloatType::bfloat16}) {
    const std::uint32_t first = type == FloatType::float16 ? 1 : 27 << 7;  // the least that fuse
    for (const int zero : {0, 255}) {
      PackedCase packed({"gptq_rows", outputs, kCodes, kCodes, true, 0, 0, 8}, type, Scales::usual,
                        7000);
      std::vector<unsigned char> bytes;
      for (std::uint32_t i = 0; i < outputs; ++i) {
        bytes.push_back(static_cast<unsigned char>((first + i) & 255u));
        bytes.push_back(static_cast<unsigned char>((first + i) >> 8));
      }
      bytes.insert(bytes.end(), outputs, static_cast<unsigned char>(zero));
      for (std::uint64_t i = 0; i < outputs * kCodes; ++i) {  // line, output, input of the line
        bytes.push_back(static_cast<unsigned char>(i / (outputs * 4) * 4 + i % 4));
      }
      packed.overwrite(bytes);
      const std::vector<unsigned char> want = packed.expected(format);
      for (std::size_t i = 0; i < tables.count; ++i) {
        CHECK_EQ(packed.check(*tables.tables[i], format, want, 0, 0, kCodes), "");
      }
    }
  }
}

}  // namespace
}  // namespace thaw::test
