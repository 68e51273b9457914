// ct_pack and ct_int8 on every table that this CPU runs, against the oracle:
// specs/compressed_tensors.md.
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
  check_shapes(shapes, {std::begin(kTypes), std::end(kTypes)}, 5000);
}

Shape shape(std::uint64_t in, std::uint64_t out, std::uint64_t group, std::uint64_t bits) {
  return {.layout = "ct_pack",
          .in_features = in,
          .out_features = out,
          .group_size = group,
          .bits = bits};
}

// The ways to hold zeros, for one size.
std::vector<Shape> with_zeros(const Shape& base) {
  Shape none = base;
  none.has_zeros = false;
  Shape bytes = base;
  bytes.int8_zeros = true;
  bytes.misalignment = 3;
  Shape packed = base;
  packed.misalignment = 1;
  packed.extra_pitch = 12;
  return {none, bytes, packed};
}

TEST_CASE("ct_pack: 4 bits, every kind of zero and size: the oracle's bytes") {
  for (const Shape& base :
       {shape(1152, 11, 128, 4), shape(256, 9, 32, 4), shape(192, 5, 96, 4), shape(640, 3, 640, 4),
        shape(100, 12, 100, 4), shape(75, 6, 25, 4), shape(48, 5, 16, 4), shape(5, 2, 5, 4)}) {
    check(with_zeros(base));
  }
}

TEST_CASE("ct_pack: 8 bits, every kind of zero and size: the oracle's bytes") {
  for (const Shape& base : {shape(1152, 7, 128, 8), shape(256, 9, 32, 8), shape(300, 6, 300, 8),
                            shape(75, 6, 25, 8), shape(3, 2, 3, 8)}) {
    check(with_zeros(base));
  }
}

TEST_CASE("ct_pack: other widths, every kind of zero and size: the oracle's bytes") {
  for (const std::uint64_t bits : {1u, 2u, 3u, 5u, 6u, 7u}) {
    for (const Shape& base :
         {shape(1152, 7, 128, bits), shape(2100, 3, 2100, bits), shape(1056, 4, 33, bits),
          shape(160, 5, 64, bits), shape(75, 37, 25, bits), shape(66, 7, 11, bits),
          shape(3, 2, 3, bits)}) {
      check(with_zeros(base));
    }
  }
}

TEST_CASE("ct_pack: other widths by experts, with an index, or with one scale") {
  for (const std::uint64_t bits : {1u, 2u, 3u, 5u, 6u, 7u}) {
    Shape odd = shape(64, 30, 32, bits);
    odd.rows_per_slice = 10;
    Shape indexed = shape(584, 3, 8, bits);
    indexed.shuffled = true;
    Shape single = shape(128, 6, 128, bits);
    single.single_scale = true;
    single.has_zeros = false;
    check({odd, indexed, single});
  }
}

TEST_CASE("ct_pack: scales and zeros by block of rows") {
  for (const std::uint64_t bits : {3u, 4u, 8u}) {
    for (Shape blocks :
         {shape(64, 24, 16, bits), shape(256, 37, 128, bits), shape(40, 9, 40, bits)}) {
      blocks.rows_per_scale = 8;
      check(with_zeros(blocks));
    }
  }
}

TEST_CASE("ct_pack: a last group that is shorter") {
  check({shape(160, 4, 64, 4), shape(170, 4, 64, 4), shape(90, 4, 64, 8)});
}

TEST_CASE("ct_pack: columns that name their groups") {
  for (const std::uint64_t bits : {std::uint64_t{4}, std::uint64_t{8}}) {
    Shape few = shape(128, 5, 32, bits);
    Shape many = shape(584, 3, 8, bits);  // more groups than are made at a time
    Shape unaligned = shape(96, 9, 24, bits);
    few.shuffled = many.shuffled = unaligned.shuffled = true;
    few.int8_zeros = true;
    unaligned.misalignment = 3;
    check({few, many, unaligned});
  }
}

TEST_CASE("ct_pack: experts whose rows end within a word of zeros") {
  for (const std::uint64_t bits : {std::uint64_t{4}, std::uint64_t{8}}) {
    Shape odd = shape(64, 30, 32, bits);
    odd.rows_per_slice = 10;
    Shape even = shape(64, 32, 32, bits);
    even.rows_per_slice = 16;
    check({odd, even});
  }
}

TEST_CASE("ct_pack: one scale for the whole weight") {
  for (const std::uint64_t bits : {std::uint64_t{4}, std::uint64_t{8}}) {
    Shape single = shape(128, 6, 128, bits);
    single.single_scale = true;
    single.has_zeros = false;
    check({single});
  }
}

TEST_CASE("ct_pack: huge and tiny scales round, overflow and keep signs as the oracle does") {
  std::uint32_t seed = 6000;
  for (int trial = 0; trial < divided(2); ++trial) {
    for (const std::uint64_t bits : {3u, 4u, 7u, 8u}) {
      for (const FloatType type : kTypes) {
        for (const Scales scales : {Scales::huge, Scales::tiny}) {
          for (Shape hostile : with_zeros(shape(64, 12, 32, bits))) {
            hostile.shuffled = seed % 5 == 0;
            check_case(PackedCase(hostile, type, scales, ++seed));
          }
        }
      }
    }
  }
}

TEST_CASE("ct_pack: the count is that of the finite values that became infinite") {
  std::uint32_t seed = 7000;
  std::uint64_t seen = 0;
  for (const std::uint64_t bits : {2u, 4u, 6u, 8u}) {
    for (const FloatType type : kTypes) {
      for (const Scales scales : {Scales::huge, Scales::random_bits, Scales::usual}) {
        for (Shape counted : with_zeros(shape(72, 10, 32, bits))) {
          counted.shuffled = seed % 3 == 0;
          if (counted.shuffled) counted.in_features = 64;
          const PackedCase packed(counted, type, scales, ++seed);
          for (const OutputFormat& format : output_formats()) {
            const std::vector<unsigned char> out = packed.expected(format);
            const std::uint64_t want = packed.expected_overflows(format);
            CAPTURE(seed);
            CAPTURE(name_of(format));
            CHECK_EQ(kernels::count_overflows(kernels::LayoutId::ct_pack, packed.linear(), 0, 10,
                                              out.data(), format),
                     want);
            seen += want;
          }
        }
      }
    }
  }
  CHECK_GT(seen, 0u);
}

// ct_int8: the same with codes of signed bytes.
Shape int8_shape(std::uint64_t in, std::uint64_t out, std::uint64_t group) {
  Shape made = shape(in, out, group, 8);
  made.layout = "ct_int8";
  made.int8_zeros = true;
  return made;
}

TEST_CASE("ct_int8: every size, with zeros and without: the oracle's bytes") {
  for (Shape base : {int8_shape(1152, 7, 128), int8_shape(256, 9, 32), int8_shape(300, 6, 300),
                     int8_shape(75, 6, 25), int8_shape(3, 2, 3), int8_shape(1100, 3, 1100),
                     int8_shape(170, 4, 64), int8_shape(1200, 2, 550)}) {
    Shape none = base;
    none.has_zeros = false;
    none.misalignment = 1;
    none.extra_pitch = 5;
    Shape single = none;
    single.group_size = single.in_features;
    single.single_scale = true;
    check({base, none, single});
  }
}

TEST_CASE("ct_int8: columns that name their groups") {
  Shape few = int8_shape(128, 5, 32);
  Shape many = int8_shape(584, 3, 8);
  few.shuffled = many.shuffled = true;
  many.misalignment = 3;
  check({few, many});
}

TEST_CASE("ct_int8: huge and tiny scales round, overflow and are counted as the oracle says") {
  std::uint32_t seed = 8000;
  std::uint64_t seen = 0;
  for (const FloatType type : kTypes) {
    for (const Scales scales : {Scales::huge, Scales::tiny, Scales::nearly_fused}) {
      const PackedCase packed(int8_shape(96, 6, 32), type, scales, ++seed);
      check_case(packed);
      for (const OutputFormat& format : output_formats()) {
        const std::vector<unsigned char> out = packed.expected(format);
        const std::uint64_t want = packed.expected_overflows(format);
        CHECK_EQ(kernels::count_overflows(kernels::LayoutId::ct_int8, packed.linear(), 0, 6,
                                          out.data(), format),
                 want);
        seen += want;
      }
    }
  }
  CHECK_GT(seen, 0u);
}

TEST_CASE("ct_pack: an index that names no group leaves its column as it was") {
  std::vector<std::uint32_t> index(32, 0);
  index[5] = 2;
  index[9] = 0xffffffffu;
  const std::vector<std::uint32_t> codes(4, 0x99999999u);
  const std::uint16_t scales[2] = {0x3c00, 0x4000};
  kernels::PackedLinear linear;
  linear[kernels::Role::codes] = {codes.data(), 16};
  linear[kernels::Role::scales] = {scales, 4};
  linear[kernels::Role::group_index] = {index.data(), 0};
  linear.in_features = 32;
  linear.out_features = 1;
  linear.group_size = 16;
  const kernels::TableList tables = kernels::available_tables();
  for (std::size_t i = 0; i < tables.count; ++i) {
    alignas(64) std::uint16_t out[32];
    for (std::uint16_t& value : out) value = 0x7777;
    const OutputFormat format;
    kernels::layout_in(*tables.tables[i], kernels::LayoutId::ct_pack)
        .dequantize(linear, 0, 1, out, format);
    for (std::size_t k = 0; k < 32; ++k) CHECK_EQ(out[k], k == 5 || k == 9 ? 0x7777 : 0x3c00);
    CHECK_EQ(kernels::count_overflows(kernels::LayoutId::ct_pack, linear, 0, 1, out, format), 0u);
  }
}

}  // namespace
}  // namespace thaw::test
