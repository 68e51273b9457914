// gptq_bits and gptq_bits_rows on every table that this CPU runs, against the oracle: specs/gptq.md
// clause 7.
#include <doctest/doctest.h>

#include <iterator>
#include <vector>

#include "kernels/case_checks.h"

namespace thaw::test {
namespace {

using kernels::FloatType;
using kernels::OutputFormat;

constexpr FloatType kTypes[] = {FloatType::float16, FloatType::bfloat16, FloatType::float32};

void check(const std::vector<Shape>& shapes) {
  check_shapes(shapes, {std::begin(kTypes), std::end(kTypes)}, 9000);
}

Shape shape(std::uint64_t in, std::uint64_t out, std::uint64_t group, std::uint64_t bits) {
  return {.layout = "gptq_bits",
          .in_features = in,
          .out_features = out,
          .group_size = group,
          .bits = bits};
}

// The ways to hold zeros, for one size.
std::vector<Shape> with_zeros(const Shape& base) {
  Shape none = base;
  none.has_zeros = false;
  none.misalignment = 1;
  Shape v1 = base;
  v1.v1 = true;
  v1.misalignment = 3;
  if (base.layout == "gptq_bits") v1.extra_pitch = 12;
  return {base, none, v1};
}

TEST_CASE("gptq_bits: a stream of any width, every kind of zero and size: the oracle's bytes") {
  for (std::uint64_t bits = 1; bits <= 8; ++bits) {
    for (const Shape& base : {shape(1152, 48, 128, bits), shape(608, 37, 608, bits),
                              shape(96, 100, 32, bits), shape(96, 8, 24, bits)}) {
      check(with_zeros(base));
    }
  }
}

TEST_CASE("gptq_bits: planes of every width") {
  for (std::uint64_t bits = 1; bits <= 7; ++bits) {
    for (Shape base : {shape(608, 64, 32, bits), shape(96, 96, 96, bits)}) {
      base.planes = true;
      Shape none = base;
      none.has_zeros = false;
      check({base, none});
    }
  }
}

TEST_CASE("gptq_bits: words of 8 and 16 bits") {
  for (const std::uint64_t bits : {2u, 3u, 4u, 5u, 8u}) {
    for (const std::uint64_t bytes : {1u, 2u}) {
      Shape base = shape(608, 40, 32, bits);
      base.word_bytes = bytes;
      check(with_zeros(base));
    }
  }
}

TEST_CASE("gptq_bits: inputs that end within a unit") {
  for (const std::uint64_t bits : {2u, 4u, 8u}) {
    check({shape(80, 33, 16, bits), shape(33, 9, 33, bits), shape(5, 3, 2, bits)});
  }
}

TEST_CASE("gptq_bits: any order of groups, also of more than a row keeps") {
  for (const std::uint64_t bits : {2u, 3u, 6u}) {
    for (Shape base : {shape(640, 40, 32, bits), shape(96, 19, 24, bits)}) {
      base.index_bytes = bits == 3 ? 8 : 4;
      check(with_zeros(base));
    }
  }
  Shape many = shape(2080, 3, 2, 3);
  many.index_bytes = 4;
  check({many});
}

TEST_CASE("gptq_bits_rows: the weight as it is stored") {
  for (std::uint64_t bits = 1; bits <= 8; ++bits) {
    Shape base = shape(40, 96, 32, bits);
    base.layout = "gptq_bits_rows";
    Shape narrow = base;
    narrow.word_bytes = 2;
    Shape indexed = base;
    indexed.index_bytes = 4;
    check(with_zeros(base));
    check({narrow, indexed});
    if (bits == 8) continue;
    Shape planes = base;
    planes.in_features = 64;
    planes.planes = true;
    check({planes});
  }
}

TEST_CASE("gptq_bits: huge and tiny scales round, overflow and are counted as the oracle says") {
  std::uint32_t seed = 9500;
  std::uint64_t seen = 0;
  for (const std::uint64_t bits : {2u, 3u, 7u}) {
    for (const FloatType type : kTypes) {
      for (const Scales scales : {Scales::huge, Scales::tiny, Scales::nearly_fused}) {
        Shape hostile = shape(96, 34, 32, bits);
        hostile.index_bytes = seed % 2 == 0 ? 4 : 0;
        if (seed % 3 == 0) hostile.layout = "gptq_bits_rows";
        if (seed % 3 == 0) hostile.out_features = 64;
        const PackedCase packed(hostile, type, scales, ++seed);
        check_case(packed);
        const bool rows = hostile.layout == "gptq_bits_rows";
        for (const OutputFormat& format : output_formats()) {
          const std::vector<unsigned char> out = packed.expected(format);
          const std::uint64_t want = packed.expected_overflows(format);
          CAPTURE(seed);
          CHECK_EQ(kernels::count_overflows(
                       rows ? kernels::LayoutId::gptq_bits_rows : kernels::LayoutId::gptq_bits,
                       packed.linear(), 0, hostile.out_features, out.data(), format),
                   want);
          seen += want;
        }
      }
    }
  }
  CHECK_GT(seen, 0u);
}

}  // namespace
}  // namespace thaw::test
