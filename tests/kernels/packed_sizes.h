// How many lines of how many bytes the tensors of a packed case have, by layout.
#pragma once

#include <cstdint>

#include "kernels/packed_case.h"

namespace thaw::test {

struct Lines {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
};

struct Sizes {
  Lines qweight, qzeros, scales;
};

inline bool is_gptq(const Shape& s) { return s.layout.starts_with("gptq"); }
inline bool is_rows(const Shape& s) {
  return s.layout == "gptq_rows" || s.layout == "gptq_bits_rows";
}
inline std::uint64_t inputs_of(const Shape& s) {
  return is_rows(s) ? s.out_features : s.in_features;
}
inline std::uint64_t groups_of(const Shape& s) {
  return (inputs_of(s) + s.group_size - 1) / s.group_size;
}

inline std::uint64_t padded_groups(std::uint64_t groups) { return (groups + 7) / 8 * 8; }

inline Sizes sizes_of(const Shape& s, std::uint64_t scale_bytes) {
  const std::uint64_t k = s.in_features;
  const std::uint64_t n = s.out_features;
  const std::uint64_t groups = (k + s.group_size - 1) / s.group_size;
  if (s.layout == "ct_int8") {
    return {{n, k}, {n, groups}, {s.single_scale ? 1 : n, groups * scale_bytes}};
  }
  if (s.layout == "ct_pack") {
    const std::uint64_t lines = (n + s.rows_per_scale - 1) / s.rows_per_scale;  // of factors
    const std::uint64_t rows = s.rows_per_slice == 0 ? lines : s.rows_per_slice;
    const Lines packed{lines / rows * ((rows * s.bits + 31) / 32), groups * 4};
    const Lines scales{s.single_scale ? 1 : lines, groups * scale_bytes};
    return {{n, (k * s.bits + 31) / 32 * 4}, s.int8_zeros ? Lines{lines, groups} : packed, scales};
  }
  if (is_gptq(s) && s.layout.starts_with("gptq_bits")) {
    const std::uint64_t outputs = is_rows(s) ? k : n;
    const std::uint64_t word_bits = 8 * s.word_bytes;
    const auto words = [&](std::uint64_t codes) {
      return (codes * s.bits + word_bits - 1) / word_bits;
    };
    return {{words(inputs_of(s)), outputs * s.word_bytes},
            {groups_of(s), words(outputs) * s.word_bytes},
            {groups_of(s), outputs * scale_bytes}};
  }
  if (is_gptq(s)) {
    const std::uint64_t per_word = 32 / s.bits;
    const std::uint64_t outputs = is_rows(s) ? k : n;
    return {{(inputs_of(s) + per_word - 1) / per_word, outputs * 4},
            {groups_of(s), (outputs + per_word - 1) / per_word * 4},
            {groups_of(s), outputs * scale_bytes}};
  }
  if (s.layout == "bnb_int8") return {{n, k}, {0, 0}, {n, scale_bytes}};
  if (s.layout == "mlx_affine") {
    const Lines factors{n, groups * scale_bytes};
    return {{n, (k * s.bits + 31) / 32 * 4}, factors, factors};
  }
  if (s.layout == "awq_gemm") {
    return {{k, n / 2}, {groups, n / 2}, {groups, n * scale_bytes}};
  }
  if (s.layout == "awq_gemv") {
    return {{n, (k + 7) / 8 * 4}, {n, padded_groups(groups) / 2}, {n, groups * scale_bytes}};
  }
  if (s.layout == "awq_gemv_fast") {
    return {{n / 4, k * 2}, {groups, n * scale_bytes}, {groups, n * scale_bytes}};
  }
  return {{k / 16, n * 8}, {0, 0}, {groups, n * scale_bytes}};
}

}  // namespace thaw::test
