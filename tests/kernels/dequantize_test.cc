// Every table that this CPU runs, every layout, against the oracle: specs/numbers.md clauses 1-6.
#include <doctest/doctest.h>

#include <vector>

#include "kernels/case_checks.h"
#include "support/layout_names.h"

namespace thaw::test {
namespace {

using kernels::FloatType;
using kernels::OutputFormat;

constexpr const char* kLayouts[] = {"awq_gemm",   "awq_gemv", "awq_gemv_fast",
                                    "awq_marlin", "gptq",     "gptq_rows"};

void check(const std::vector<Shape>& shapes) {
  check_shapes(shapes, {FloatType::float16, FloatType::bfloat16, FloatType::float32}, 0);
}

TEST_CASE("awq_gemm: every shape, every table gives the oracle's bytes") {
  check({
      {"awq_gemm", 128, 128, 128},
      {"awq_gemm", 256, 680, 128},              // a strip, a line, chunks, single words
      {"awq_gemm", 384, 96, 384, true, 3, 20},  // one group; unaligned, a wider tensor
      {"awq_gemm", 256, 64, 64, true, 1},       // two groups in a block
      {"awq_gemm", 160, 160, 32, true, 2},      // four groups in a block, and a tail
      {"awq_gemm", 192, 40, 96},                // a group boundary inside a block
      {"awq_gemm", 320, 32, 160, false},        // no zeros
      {"awq_gemm", 48, 40, 24, true, 1},        // too odd for vectors
      {"awq_gemm", 64, 16, 8},
      {"awq_gemm", 72, 40, 72, true, 6},  // rows of no whole number of cache lines
      {"awq_gemm", 5, 8, 1, false, 1},
      {"awq_gemm", 1, 8, 1},
  });
}

TEST_CASE("awq_gemv: every shape, every table gives the oracle's bytes") {
  check({
      {"awq_gemv", 1024, 6, 128},
      {"awq_gemv", 1152, 5, 128, true, 3, 20},  // nine groups
      {"awq_gemv", 256, 9, 32, true, 1},
      {"awq_gemv", 192, 3, 64, true, 2},
      {"awq_gemv", 192, 4, 96, false},
      {"awq_gemv", 640, 3, 640, true, 5},
      {"awq_gemv", 48, 5, 24, true, 1},
      {"awq_gemv", 72, 3, 72, true, 2},
      {"awq_gemv", 24, 7, 8, false},
      {"awq_gemv", 16, 1, 1},
  });
}

TEST_CASE("awq_gemv_fast: every shape, every table gives the oracle's bytes") {
  check({
      {"awq_gemv_fast", 256, 16, 128},
      {"awq_gemv_fast", 384, 12, 128, true, 3, 20},
      {"awq_gemv_fast", 192, 8, 64, true, 1},
      {"awq_gemv_fast", 192, 12, 96, true, 2},
      {"awq_gemv_fast", 128, 20, 32},
      {"awq_gemv_fast", 320, 4, 320, true, 5},
      {"awq_gemv_fast", 192, 8, 24, true, 1},
      {"awq_gemv_fast", 64, 4, 8},
      {"awq_gemv_fast", 64, 8, 1},
  });
}

TEST_CASE("awq_marlin: every shape, every table gives the oracle's bytes") {
  check({
      {"awq_marlin", 256, 192, 128},
      {"awq_marlin", 256, 64, 256, true, 3, 20},
      {"awq_marlin", 192, 192, 64, true, 1},
      {"awq_marlin", 160, 64, 32, true, 2},
      {"awq_marlin", 192, 64, 96},
      {"awq_marlin", 48, 64, 48, true, 5},
      {"awq_marlin", 48, 64, 24, true, 1},
      {"awq_marlin", 16, 64, 8},
  });
}

TEST_CASE("gptq: every shape, every table gives the oracle's bytes") {
  check({
      {"gptq", 128, 128, 128},
      {"gptq", 256, 552, 128, true, 0, 0, 4, true},    // a strip, more, and half a chunk
      {"gptq", 384, 96, 384, true, 3, 20, 4, true},    // one group; unaligned, a wider tensor
      {"gptq", 160, 48, 64, true, 1},                  // short last group, two groups in a block
      {"gptq", 160, 40, 32, true, 2, 0, 4, true},      // four groups in a block, and a tail
      {"gptq", 192, 40, 48, false, 1},                 // groups that do not fit quarters; no zeros
      {"gptq", 77, 13, 77, true, 1},                   // words that are not full, both ways
      {"gptq", 101, 24, 16, true, 0, 0, 4, true},      //
      {"gptq", 256, 72, 32, true, 1, 0, 4, true, 4},   // act-order
      {"gptq", 140, 20, 64, true, 3, 8, 4, false, 8},  //
      {"gptq", 600, 16, 2, true, 0, 0, 4, true, 4},    // more groups than are kept
      {"gptq", 128, 48, 64, true, 0, 0, 8},            // 8 bits
      {"gptq", 160, 40, 64, true, 1, 12, 8, true},
      {"gptq", 90, 10, 32, false, 1, 0, 8},
      {"gptq", 200, 24, 40, true, 5, 0, 8, true, 8},
      {"gptq", 320, 32, 1, true, 0, 0, 8},
      {"gptq", 288, 552, 32, true, 1, 0, 8, true},      // strips of 8 bits, four groups in a block
      {"gptq", 1184, 24, 128, true, 0, 0, 4, true, 4},  // act-order of more columns than one piece
      {"gptq", 1100, 520, 64, true, 2, 0, 8, false, 4},
      {"gptq", 1, 1, 1},
  });
}

TEST_CASE("gptq_rows: every shape, every table gives the oracle's bytes") {
  check({
      {"gptq_rows", 128, 64, 16},
      {"gptq_rows", 300, 40, 16, true, 1, 12, 4, true},  // tails of columns
      {"gptq_rows", 72, 44, 64, true, 2},                // a word that is not full
      {"gptq_rows", 64, 50, 7, false, 1},                // groups inside words; no zeros
      {"gptq_rows", 160, 32, 8, true, 0, 0, 4, true, 4},
      {"gptq_rows", 136, 48, 16, true, 1, 0, 8, true},
      {"gptq_rows", 33, 27, 9, true, 3, 4, 8, false, 8},
      {"gptq_rows", 1184, 24, 8, true, 0, 0, 4, true},  // pieces, a strip and more
      {"gptq_rows", 640, 20, 4, true, 2, 0, 8, true, 4},
      {"gptq_rows", 40, 1100, 2, true, 1, 0, 4, true, 4},   // act-order of more rows than are kept,
      {"gptq_rows", 160, 600, 64, true, 0, 0, 8, true, 8},  // and of more groups than a byte tells
      {"gptq_rows", 1, 1, 1},
  });
}

TEST_CASE("hostile scales: huge and tiny ones round, overflow and keep signs as the oracle does") {
  std::uint32_t seed = 1000;
  for (int trial = 0; trial < divided(4); ++trial) {
    for (const char* layout : kLayouts) {
      for (const FloatType type : {FloatType::float16, FloatType::bfloat16}) {
        for (const Scales scales : {Scales::huge, Scales::tiny, Scales::random_bits}) {
          check_case(PackedCase({layout, 64, 64, 32}, type, scales, ++seed));
          if (layout[0] == 'a') continue;
          check_case(PackedCase({layout, 48, 40, 16, true, 0, 0, 8}, type, scales, ++seed));
        }
      }
    }
  }
}

TEST_CASE("float32 scales: the product is exact before its one rounding") {
  std::uint32_t seed = 2000;
  for (const char* layout : kLayouts) {
    for (const Scales scales : {Scales::usual, Scales::random_bits, Scales::huge, Scales::tiny}) {
      check_case(PackedCase({layout, 128, 64, 64, true, 1}, FloatType::float32, scales, ++seed));
    }
  }
}

TEST_CASE("many rows: strips that follow each other") {
  check_case(PackedCase({"awq_gemm", 160, 1200, 32}, FloatType::float16, Scales::usual, 3000));
  check_case(PackedCase({"awq_gemm", 512, 1024, 128}, FloatType::float16, Scales::usual, 3001));
}

TEST_CASE("overflow: the count is that of the finite values that became infinite") {
  std::uint32_t seed = 4000;
  std::uint64_t seen = 0;
  const kernels::TableList tables = kernels::available_tables();
  for (const char* layout : kLayouts) {
    for (const FloatType type : {FloatType::float16, FloatType::bfloat16, FloatType::float32}) {
      for (const Scales scales : {Scales::huge, Scales::random_bits, Scales::usual}) {
        Shape shape{layout, 64, 64, 32};
        if (shape.layout == "gptq_rows") shape.bits = 8;
        if (shape.layout == "gptq") shape.index_bytes = 4;
        const PackedCase packed(shape, type, scales, ++seed);
        for (const OutputFormat& format : output_formats()) {
          const std::vector<unsigned char> out = packed.expected(format);
          const std::uint64_t want = packed.expected_overflows(format);
          CAPTURE(layout);
          CAPTURE(name_of(format));
          CAPTURE(seed);
          CHECK_EQ(kernels::count_overflows(layout_named(layout), packed.linear(), 0, 64,
                                            out.data(), format),
                   want);
          seen += want;
        }
      }
    }
  }
  CHECK_GT(seen, 0u);
  CHECK_GE(tables.count, 1u);
}

TEST_CASE("tables: the best first, scalar last, found by name") {
  const kernels::TableList tables = kernels::available_tables();
  REQUIRE_GE(tables.count, 1u);
  CHECK_EQ(std::string(tables.tables[tables.count - 1]->name), "scalar");
  for (std::size_t i = 0; i < tables.count; ++i) {
    bool runs_here = false;
    CHECK_EQ(kernels::find_table(tables.tables[i]->name, &runs_here), tables.tables[i]);
    CHECK(runs_here);
    for (const char* layout : kLayouts) {
      const kernels::Layout& found = kernels::layout_in(*tables.tables[i], layout_named(layout));
      CHECK_EQ(found.id, layout_named(layout));
      CHECK_EQ(found.row_block, row_block(layout));
    }
  }
  CHECK(kernels::find_table("avx1024", nullptr) == nullptr);
}

}  // namespace
}  // namespace thaw::test
