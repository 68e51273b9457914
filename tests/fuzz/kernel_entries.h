// What the fuzzer of the kernels runs, and what a test runs over its corpus: the input chooses a
// linear, its bits, a kernel and the rows it makes, and the result must be the oracle's, bit for
// bit, with nothing written beside it. specs/numbers.md.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/packed_case.h"
#include "support/layout_names.h"

namespace thaw::fuzz {

// Takes numbers from the front of the input; when it has ended, zeros.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  // 0 to `most`.
  std::uint64_t up_to(std::uint64_t most) {
    std::uint64_t value = next();
    if (most > 255) value += 256 * next();
    return value % (most + 1);
  }
  bool flag() { return next() % 2 == 1; }
  template <typename T, std::size_t N>
  const T& one_of(const T (&choices)[N]) {
    return choices[up_to(N - 1)];
  }
  [[nodiscard]] std::vector<unsigned char> rest() const { return {at_, end_}; }

 private:
  std::uint64_t next() { return at_ == end_ ? 0 : *at_++; }
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

// Of the divisors of `number` that are multiples of `step`, one.
inline std::uint64_t choose_divisor(Choices& choices, std::uint64_t number, std::uint64_t step) {
  std::vector<std::uint64_t> divisors;
  for (std::uint64_t i = step; i <= number; i += step) {
    if (number % i == 0) divisors.push_back(i);
  }
  return divisors[choices.up_to(divisors.size() - 1)];
}

// Any shape that lib/kernels/kernels.h allows, of some thousand elements.
inline test::Shape choose_shape(Choices& choices) {
  static const char* const kLayouts[] = {
      "awq_gemm", "awq_gemv",  "awq_gemv_fast", "awq_marlin",     "ct_pack",    "ct_int8",
      "gptq",     "gptq_rows", "gptq_bits",     "gptq_bits_rows", "mlx_affine", "bnb_int8"};
  static const std::uint64_t kPitches[] = {0, 4, 8, 12, 20, 64};
  test::Shape shape{choices.one_of(kLayouts), 0, 0, 0};
  const std::string& layout = shape.layout;
  const std::uint64_t k = 1 + choices.up_to(299);
  const std::uint64_t n = 1 + choices.up_to(k < 100 ? 79 : 15);
  shape.has_zeros = choices.flag();
  shape.misalignment = choices.up_to(7);
  shape.extra_pitch = choices.one_of(kPitches);
  if (layout == "awq_gemm") {
    shape.in_features = k;
    shape.out_features = 8 * ((n + 7) / 8) * (choices.flag() ? 8 : 1);
  } else if (layout == "awq_gemv") {
    shape.in_features = 8 * ((k + 7) / 8) * (choices.flag() ? 8 : 1);
    shape.out_features = n;
  } else if (layout == "awq_gemv_fast") {
    shape.in_features = 64 * ((k + 63) / 64);
    shape.out_features = 4 * ((n + 3) / 4);
    shape.has_zeros = true;
  } else if (layout == "awq_marlin") {
    shape.in_features = 16 * ((k + 15) / 16);
    shape.out_features = 64 * ((n + 63) / 64);
    shape.has_zeros = false;
  }
  if (layout[0] == 'a') {
    shape.group_size = choose_divisor(choices, shape.in_features, layout == "awq_marlin" ? 8 : 1);
    return shape;
  }
  shape.in_features = k;
  shape.out_features = n;
  shape.bits = choices.flag() ? 8 : 4;
  const bool rows = layout.ends_with("_rows");
  if (layout == "gptq_bits_rows") shape.out_features = 32 * ((n + 31) / 32);
  shape.group_size = 1 + choices.up_to((rows ? shape.out_features : k) - 1);
  if (layout == "mlx_affine") {
    shape.bits = 1 + choices.up_to(7);
    shape.has_zeros = true;
    return shape;
  }
  if (layout == "bnb_int8") {
    shape.group_size = k;
    shape.bits = 8;
    shape.has_zeros = false;
    return shape;
  }
  if (layout == "ct_pack" || layout == "ct_int8") {
    if (layout == "ct_int8") shape.bits = 8;
    if (layout == "ct_pack" && choices.flag()) shape.bits = 1 + choices.up_to(7);
    const bool bytes = layout == "ct_int8" || choices.flag();
    shape.int8_zeros = shape.has_zeros && bytes;
    if (choices.flag()) shape.rows_per_slice = choose_divisor(choices, n, 1);
    shape.shuffled = choices.flag();
    if (shape.shuffled) shape.group_size = choose_divisor(choices, k, 1);
    if (!shape.has_zeros && choices.flag()) {
      shape.single_scale = true;
      shape.group_size = k;
      shape.shuffled = false;
    }
  } else {
    static const std::uint64_t kIndexes[] = {0, 4, 8};
    if (layout.starts_with("gptq_bits")) {
      static const std::uint64_t kWords[] = {4, 2, 1};
      shape.bits = 2 + choices.up_to(6);
      shape.word_bytes = choices.one_of(kWords);
      shape.planes = shape.word_bytes == 4 && shape.bits != 8 && choices.flag();
      if (rows) shape.extra_pitch = 0;
    }
    if (shape.planes) {
      (rows ? shape.in_features : shape.out_features) = 32 * ((rows ? k : n) / 32 + 1);
      if (!rows) shape.in_features = 32 * ((k + 31) / 32);
    }
    shape.v1 = !shape.planes && choices.flag();
    shape.index_bytes = choices.one_of(kIndexes);
  }
  return shape;
}

inline void run_kernels(const std::uint8_t* data, std::size_t size) {
  using test::Scales;
  static const kernels::FloatType kTypes[] = {
      kernels::FloatType::float16, kernels::FloatType::bfloat16, kernels::FloatType::float32};
  static const Scales kScales[] = {Scales::usual, Scales::random_bits, Scales::huge, Scales::tiny};
  Choices choices(data, size);
  const kernels::TableList tables = kernels::available_tables();
  const kernels::Table& table = *tables.tables[choices.up_to(tables.count - 1)];
  kernels::OutputFormat format;
  format.type = choices.one_of(kTypes);
  if (choices.flag()) format.stores = kernels::Stores::streaming;
  if (format.type == kernels::FloatType::bfloat16 && choices.flag()) {
    format.rounding = kernels::Rounding::via_float16;
  }
  kernels::FloatType scale_type = choices.one_of(kTypes);
  const Scales scales = choices.one_of(kScales);
  const test::Shape shape = choose_shape(choices);
  if (shape.layout == "bnb_int8") scale_type = kernels::FloatType::float32;
  // A view that starts at first_row, and rows [begin, end) of it.
  const std::uint64_t block = test::row_block(shape.layout);
  const std::uint64_t step = shape.layout == "awq_gemv_fast" ? 8 : block;
  std::uint64_t first_row = choices.up_to((shape.out_features - 1) / step) * step;
  const std::uint64_t seed = choices.up_to(65535);
  test::PackedCase packed(shape, scale_type, scales, static_cast<std::uint32_t>(seed));
  if (!packed.can_start_at(first_row)) first_row = 0;
  const std::uint64_t rows = shape.out_features - first_row;
  const std::uint64_t begin = choices.up_to((rows - 1) / block) * block;
  const std::uint64_t blocks = (rows - begin + block - 1) / block;
  const std::uint64_t end = std::min(rows, begin + (1 + choices.up_to(blocks - 1)) * block);
  packed.overwrite(choices.rest());

  const std::vector<unsigned char> want = packed.expected(format);
  const std::string wrong = packed.check(table, format, want, first_row, begin, end);
  if (!wrong.empty()) {
    std::fprintf(stderr, "%s\n", wrong.c_str());
    std::abort();
  }
  // The oracle takes long to count, so only over little.
  if (shape.in_features * shape.out_features > 1024) return;
  if (kernels::count_overflows(test::layout_named(shape.layout), packed.linear(), 0,
                               shape.out_features, want.data(),
                               format) != packed.expected_overflows(format)) {
    std::fprintf(stderr, "another count of overflows\n");
    std::abort();
  }
}

}  // namespace thaw::fuzz
