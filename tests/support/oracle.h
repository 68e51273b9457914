// What every element of a packed weight is, worked out one at a time from the formulas of
// specs/awq.md, specs/compressed_tensors.md and specs/gptq.md in exact integer arithmetic. Slow and
// plain on purpose, and shares nothing with lib/: a mistake would have to be made twice to go
// unnoticed.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "support/oracle_number.h"

namespace thaw::oracle {

// --- the layouts

struct Tensor {
  const unsigned char* data = nullptr;
  std::uint64_t pitch = 0;

  [[nodiscard]] std::uint32_t at(std::uint64_t row, std::uint64_t column,
                                 std::uint64_t bytes) const {
    std::uint32_t value = 0;
    for (std::uint64_t i = 0; i < bytes; ++i) {
      value |= static_cast<std::uint32_t>(data[row * pitch + column * bytes + i]) << (8 * i);
    }
    return value;
  }
};

struct Packed {
  Tensor qweight, qzeros, scales;
  std::uint64_t in_features, out_features, group_size;
  Type scale_type;
  std::uint64_t bits = 4;
  // Of ct_pack.
  Tensor group_index;
  std::uint64_t rows_per_slice = 0;
  bool int8_zeros = false;
  // Of gptq and gptq_rows.
  bool v1 = false;  // zeros are stored less one
  // Of ct_pack.
  std::uint64_t rows_per_scale = 1;
  // Of gptq_bits and gptq_bits_rows.
  std::uint64_t word_bytes = 4;
  bool planes = false;
  std::vector<std::int64_t> group_of;  // by input, negative ones from the end; empty: in order
};

// An element: code, scale, and the zero as an integer or, in gemv_fast, as a number.
struct Element {
  int code = 0;
  int zero = 0;
  std::uint32_t scale = 0;
  std::uint32_t scaled_zero = 0;
  bool sum = false;
  int divisor = 1;  // of the product
};

inline int nibble(std::uint32_t word, std::uint64_t index) {
  return static_cast<int>(word / (std::uint64_t{1} << (4 * index)) % 16);
}

inline constexpr int kOrder[8] = {0, 4, 1, 5, 2, 6, 3, 7};

inline Element gemm_element(const Packed& p, std::uint64_t n, std::uint64_t k) {
  Element e;
  const std::uint64_t g = k / p.group_size;
  e.code = nibble(p.qweight.at(k, n / 8, 4), kOrder[n % 8]);
  e.zero = p.qzeros.data == nullptr ? 8 : nibble(p.qzeros.at(g, n / 8, 4), kOrder[n % 8]);
  e.scale = p.scales.at(g, n, p.scale_type.bytes);
  return e;
}

inline Element gemv_element(const Packed& p, std::uint64_t n, std::uint64_t k) {
  Element e;
  const std::uint64_t g = k / p.group_size;
  e.code = nibble(p.qweight.at(n, k / 8, 4), k % 8);
  e.zero = p.qzeros.data == nullptr ? 8 : nibble(p.qzeros.at(n, g / 8, 4), g % 8);
  e.scale = p.scales.at(n, g, p.scale_type.bytes);
  return e;
}

inline Element gemv_fast_element(const Packed& p, std::uint64_t n, std::uint64_t k) {
  Element e;
  const std::uint64_t a = k % 32 / 8;
  const std::uint64_t b = k % 8 / 2;
  const std::uint64_t c = k % 2;
  const std::uint64_t f = 64 * (n % 4) + 32 * (k % 64 / 32) + 8 * b + 4 * c + a;
  e.code = nibble(p.qweight.at(n / 4, 64 * (k / 64) + f / 4, 2), f % 4);
  e.scale = p.scales.at(k / p.group_size, n, p.scale_type.bytes);
  e.scaled_zero = p.qzeros.at(k / p.group_size, n, p.scale_type.bytes);
  e.sum = true;
  return e;
}

// Where each (n, k) of 64 rows and 16 columns is, from the formulas that go the other way.
struct MarlinPlace {
  std::uint64_t word;
  std::uint64_t nibble;
};

inline std::array<std::array<MarlinPlace, 16>, 64> marlin_places() {
  std::array<std::array<MarlinPlace, 16>, 64> places{};
  for (std::uint64_t w = 0; w < 128; ++w) {
    const std::uint64_t t = w / 4;
    for (std::uint64_t i = 0; i < 8; ++i) {
      const std::uint64_t e = std::array<std::uint64_t, 8>{0, 2, 4, 6, 1, 3, 5, 7}[i];
      const std::uint64_t sel = e % 4;
      const std::uint64_t k = sel < 2 ? 2 * (t % 4) + sel : 2 * (t % 4) + 8 + sel - 2;
      places[16 * (w % 4) + 8 * (e / 4) + t / 4][k] = {w, i};
    }
  }
  return places;
}

inline Element marlin_element(const Packed& p, std::uint64_t n, std::uint64_t k) {
  static const auto places = marlin_places();
  Element e;
  e.zero = 8;
  const MarlinPlace& place = places[n % 64][k % 16];
  e.code = nibble(p.qweight.at(k / 16, n / 64 * 128 + place.word, 4), place.nibble);
  const std::uint64_t column = p.group_size == p.in_features
                                   ? n / 32 * 32 + 8 * (n % 8 / 2) + 2 * (n % 32 / 8) + n % 2
                                   : 64 * (n / 64) + 8 * (n % 8) + n % 64 / 8;
  e.scale = p.scales.at(k / p.group_size, column, p.scale_type.bytes);
  return e;
}

// Bit by bit: of bit number `bit` of a stream, the lowest of each word first, what it is.
template <class BitAt>
int field_of_bits(std::uint64_t bits, const BitAt& bit_at) {
  int value = 0;
  for (std::uint64_t i = bits; i-- != 0;) value = 2 * value + static_cast<int>(bit_at(i));
  return value;
}

// Codes and zeros are signed here, as they were before they were packed.
inline Element ct_element(const Packed& p, std::uint64_t n, std::uint64_t k) {
  const int middle = 1 << (p.bits - 1);
  Element e;
  const std::uint64_t g =
      p.group_index.data == nullptr ? k / p.group_size : p.group_index.at(0, k, 4);
  e.code = field_of_bits(p.bits, [&](std::uint64_t i) {
    const std::uint64_t at = k * p.bits + i;
    return p.qweight.at(n, at / 32, 4) >> (at % 32) & 1u;
  });
  e.code -= middle;
  n /= p.rows_per_scale;
  e.scale = p.scales.at(n, g, static_cast<std::uint64_t>(p.scale_type.bytes));
  if (p.qzeros.data == nullptr) return e;
  if (p.int8_zeros) {
    const int byte = static_cast<int>(p.qzeros.at(n, g, 1));
    e.zero = byte < 128 ? byte : byte - 256;
    return e;
  }
  std::uint64_t slice = 0;
  std::uint64_t row = n;
  std::uint64_t lines = 0;
  if (p.rows_per_slice != 0) {
    slice = n / p.rows_per_slice;
    row = n % p.rows_per_slice;
    lines = (p.rows_per_slice * p.bits + 31) / 32;
  }
  e.zero = field_of_bits(p.bits, [&](std::uint64_t i) {
    const std::uint64_t at = row * p.bits + i;
    return p.qzeros.at(slice * lines + at / 32, g, 4) >> (at % 32) & 1u;
  });
  e.zero -= middle;
  return e;
}

// Zeros of v1 are stored with 0x11111111 (0x01010101) taken from the word, so z - 1 borrows.
inline int gptq_zero(const Packed& p, std::uint64_t group, std::uint64_t output) {
  const std::uint64_t per_word = 32 / p.bits;
  const std::uint64_t base = std::uint64_t{1} << p.bits;
  if (p.qzeros.data == nullptr) return static_cast<int>(base / 2);
  std::uint64_t word = p.qzeros.at(group, output / per_word, 4);
  if (p.v1) word = (word + (p.bits == 4 ? 0x11111111u : 0x01010101u)) % 0x100000000u;
  for (std::uint64_t i = 0; i < output % per_word; ++i) word /= base;
  return static_cast<int>(word % base);
}

// The group of an input: as the index says, from the end where it is negative, else by its place.
inline std::uint64_t gptq_group(const Packed& p, std::uint64_t input, std::uint64_t inputs) {
  if (p.group_of.empty()) return input / p.group_size;
  const std::uint64_t groups = (inputs + p.group_size - 1) / p.group_size;
  const std::int64_t index = p.group_of[input];
  return static_cast<std::uint64_t>(index < 0 ? index + static_cast<std::int64_t>(groups) : index);
}

inline Element gptq_element(const Packed& p, std::uint64_t output, std::uint64_t input,
                            std::uint64_t inputs) {
  const std::uint64_t group = gptq_group(p, input, inputs);
  Element e;
  const std::uint64_t per_word = 32 / p.bits;
  std::uint64_t word = p.qweight.at(input / per_word, output, 4);
  for (std::uint64_t i = 0; i < input % per_word; ++i) word /= std::uint64_t{1} << p.bits;
  e.code = static_cast<int>(word % (std::uint64_t{1} << p.bits));
  e.zero = gptq_zero(p, group, output);
  e.scale = p.scales.at(group, output, p.scale_type.bytes);
  return e;
}

// Where bit i of code (or zero) `index` stands in the stream of its unit of 32, by word and bit.
inline std::uint64_t unit_bit(const Packed& p, std::uint64_t index, std::uint64_t i) {
  if (!p.planes) return index * p.bits + i;
  // Which plane has bit i: of widths 4, 2 and 1, those that p.bits is made of.
  std::uint64_t low = 0;
  for (std::uint64_t width = 4; width != 0; width /= 2) {
    if ((p.bits & width) == 0) continue;
    if (i < low + width) return 32 * low + index * width + (i - low);
    low += width;
  }
  return 0;
}

inline Element gptq_bits_element(const Packed& p, std::uint64_t output, std::uint64_t input,
                                 std::uint64_t inputs) {
  const std::uint64_t group = gptq_group(p, input, inputs);
  const std::uint64_t word_bits = 8 * p.word_bytes;
  Element e;
  e.code = field_of_bits(p.bits, [&](std::uint64_t i) {
    const std::uint64_t at = input / 32 * 32 * p.bits + unit_bit(p, input % 32, i);
    return p.qweight.at(at / word_bits, output, p.word_bytes) >> (at % word_bits) & 1u;
  });
  e.scale = p.scales.at(group, output, p.scale_type.bytes);
  e.zero = 1 << (p.bits - 1);
  if (p.qzeros.data == nullptr) return e;
  const bool whole_fields = 32 % p.bits == 0 && p.bits != 1;
  const auto word_at = [&](std::uint64_t index) {
    std::uint64_t word = p.qzeros.at(group, index, p.word_bytes);
    if (!p.v1 || !whole_fields) return word;
    std::uint64_t one_each = 0;
    for (std::uint64_t bit = 0; bit < word_bits; bit += p.bits) one_each += std::uint64_t{1} << bit;
    return (word + one_each) % (std::uint64_t{1} << word_bits);
  };
  e.zero = field_of_bits(p.bits, [&](std::uint64_t i) {
    const std::uint64_t at = output / 32 * 32 * p.bits + unit_bit(p, output % 32, i);
    return word_at(at / word_bits) >> (at % word_bits) & 1u;
  });
  if (p.v1 && !whole_fields) e.zero = (e.zero + 1) % (1 << p.bits);
  return e;
}

// As ct_pack of 8 bits with zeros of a byte; codes are signed bytes themselves.
inline Element int8_element(const Packed& p, std::uint64_t n, std::uint64_t k) {
  const auto byte = [](const Tensor& tensor, std::uint64_t row, std::uint64_t column) {
    const int value = static_cast<int>(tensor.at(row, column, 1));
    return value < 128 ? value : value - 256;
  };
  Element e;
  const std::uint64_t g =
      p.group_index.data == nullptr ? k / p.group_size : p.group_index.at(0, k, 4);
  e.code = byte(p.qweight, n, k);
  e.scale = p.scales.at(n, g, static_cast<std::uint64_t>(p.scale_type.bytes));
  if (p.qzeros.data != nullptr) e.zero = byte(p.qzeros, n, g);
  return e;
}

inline Element mlx_element(const Packed& p, std::uint64_t n, std::uint64_t k) {
  Element e;
  e.code = field_of_bits(p.bits, [&](std::uint64_t i) {
    const std::uint64_t at = k * p.bits + i;
    return p.qweight.at(n, at / 32, 4) >> (at % 32) & 1u;
  });
  e.scale = p.scales.at(n, k / p.group_size, static_cast<std::uint64_t>(p.scale_type.bytes));
  e.scaled_zero = p.qzeros.at(n, k / p.group_size, static_cast<std::uint64_t>(p.scale_type.bytes));
  e.sum = true;
  return e;
}

// The scale of a byte of LLM.int8 is a 127th of what is stored.
inline Element bnb_int8_element(const Packed& p, std::uint64_t n, std::uint64_t k) {
  Element e;
  const int byte = static_cast<int>(p.qweight.at(n, k, 1));
  e.code = byte < 128 ? byte : byte - 256;
  e.scale = p.scales.at(n, 0, 4);
  e.divisor = 127;
  return e;
}

inline Element element(const char* layout, const Packed& p, std::uint64_t n, std::uint64_t k) {
  if (std::strcmp(layout, "awq_gemm") == 0) return gemm_element(p, n, k);
  if (std::strcmp(layout, "awq_gemv") == 0) return gemv_element(p, n, k);
  if (std::strcmp(layout, "awq_gemv_fast") == 0) return gemv_fast_element(p, n, k);
  if (std::strcmp(layout, "ct_pack") == 0) return ct_element(p, n, k);
  if (std::strcmp(layout, "ct_int8") == 0) return int8_element(p, n, k);
  if (std::strcmp(layout, "gptq") == 0) return gptq_element(p, n, k, p.in_features);
  if (std::strcmp(layout, "gptq_rows") == 0) return gptq_element(p, k, n, p.out_features);
  if (std::strcmp(layout, "bnb_int8") == 0) return bnb_int8_element(p, n, k);
  if (std::strcmp(layout, "mlx_affine") == 0) return mlx_element(p, n, k);
  if (std::strcmp(layout, "gptq_bits") == 0) return gptq_bits_element(p, n, k, p.in_features);
  if (std::strcmp(layout, "gptq_bits_rows") == 0) {
    return gptq_bits_element(p, k, n, p.out_features);
  }
  return marlin_element(p, n, k);
}

// The exact value of an element.
inline Number value(const Element& e, const Type& scale_type) {
  const Number scale = number_from_bits(e.scale, scale_type);
  if (e.divisor != 1) {
    return divided(times(e.code - e.zero, scale), static_cast<std::uint32_t>(e.divisor));
  }
  if (!e.sum) return times(e.code - e.zero, scale);
  return plus(times(e.code, scale), number_from_bits(e.scaled_zero, scale_type));
}

// Rounded to `type`; `via` float16 first where asked.
inline std::uint32_t rounded(const Number& exact, const Type& type, bool via_float16) {
  if (!via_float16) return bits_from_number(exact, type);
  return bits_from_number(number_from_bits(bits_from_number(exact, kFloat16), kFloat16), type);
}

}  // namespace thaw::oracle
