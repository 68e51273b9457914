#include "kernels/case_checks.h"

#include <doctest/doctest.h>

namespace thaw::test {

using kernels::FloatType;
using kernels::OutputFormat;
using kernels::Rounding;
using kernels::Stores;

const std::vector<OutputFormat>& output_formats() {
  static const std::vector<OutputFormat> all = {
      {FloatType::float16, Rounding::exact, Stores::normal},
      {FloatType::bfloat16, Rounding::exact, Stores::normal},
      {FloatType::bfloat16, Rounding::via_float16, Stores::normal},
      {FloatType::float32, Rounding::exact, Stores::normal},
  };
  return all;
}

void check_case(const PackedCase& packed) {
  const std::uint64_t rows = packed.shape().out_features;
  const std::uint64_t block = row_block(packed.shape().layout);
  const kernels::TableList tables = kernels::available_tables();
  for (OutputFormat format : output_formats()) {
    const std::vector<unsigned char> want = packed.expected(format);
    for (std::size_t i = 0; i < tables.count; ++i) {
      for (const Stores stores : {Stores::normal, Stores::streaming}) {
        format.stores = stores;
        CHECK_EQ(packed.check(*tables.tables[i], format, want, 0, 0, rows), "");
        if (rows < 3 * block) continue;
        CHECK_EQ(packed.check(*tables.tables[i], format, want, 0, block, rows - block), "");
        if (!packed.can_start_at(2 * block)) continue;
        CHECK_EQ(packed.check(*tables.tables[i], format, want, 2 * block, 0, rows - 2 * block), "");
      }
    }
  }
}

void check_shapes(const std::vector<Shape>& shapes, const std::vector<FloatType>& types,
                  std::uint32_t seed) {
  const auto combinations = static_cast<std::uint32_t>(2 * types.size());
  std::uint32_t turn = 0;
  for (const Shape& shape : shapes) {
    std::uint32_t combination = 0;
    for (const FloatType type : types) {
      for (const Scales scales : {Scales::usual, Scales::random_bits}) {
        ++seed;
        const bool chosen = combination++ == turn % combinations;
        if (chosen || !runs_slowly()) check_case(PackedCase(shape, type, scales, seed));
      }
    }
    ++turn;
  }
}

}  // namespace thaw::test
