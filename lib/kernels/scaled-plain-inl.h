// Scaled elements in plain C++: specs/scaled_elements.md. Rows of elements in order; a scale for
// each block of rows and columns.
#pragma once

#include "kernels/layouts-inl.h"

namespace thaw::kernels {
namespace {

// E2M1 by its code.
inline constexpr double kFloat4[16] = {0.0,  0.5,  1.0,  1.5,  2.0,  3.0,  4.0,  6.0,
                                       -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0};

// The bits of a float16 that E4M3 is 2^8 times as large as; not of its NaN.
inline std::uint16_t half_of_e4m3(std::uint32_t code) {
  return static_cast<std::uint16_t>((code & 0x80u) << 8 | (code & 0x7fu) << 7);
}

inline double value_of_e4m3(std::uint32_t code) {
  if ((code & 0x7fu) == 0x7f) return __builtin_nan("");
  return static_cast<double>(float_from_half(half_of_e4m3(code))) * 256.0;
}

inline double element_value(SmallFloat element, std::uint32_t code) {
  switch (element) {
    case SmallFloat::e4m3:
      return value_of_e4m3(code);
    case SmallFloat::e5m2:
      return static_cast<double>(float_from_half(static_cast<std::uint16_t>(code << 8)));
    case SmallFloat::e2m1:
      return kFloat4[code & 15u];
  }
  __builtin_unreachable();
}

// What turns an element into its value. The product of scale and global scale is exact in double,
// and so is that of it and an element (4 + 24 + 24 bits). A quotient of so few bits is halfway
// between two numbers of 24 bits or less either exactly, or farther from it than double rounds.
struct ScaledFactors {
  double scale;
  double divisor;
  [[nodiscard]] double at(double element) const { return element * scale / divisor; }
};

class ScaledFactorsOf {
 public:
  explicit ScaledFactorsOf(const PackedLinear& linear) : linear_(linear) {
    const Operand& global = linear[Role::global_scale];
    if (global.data != nullptr) global_ = static_cast<double>(load<float>(global.data));
  }

  // Of a scale as it is stored, or the byte of one.
  [[nodiscard]] ScaledFactors of(double scale) const {
    ScaledFactors factors = {1, 1};
    (linear_.scaled.divides_by_scale ? factors.divisor : factors.scale) = scale;
    if (linear_.scaled.divides_by_global) {
      factors.divisor *= global_;
    } else {
      factors.scale *= global_;
    }
    return factors;
  }
  [[nodiscard]] ScaledFactors of_byte(std::uint32_t byte) const {
    if (linear_.scaled.form == ScaleForm::e4m3) return of(value_of_e4m3(byte));
    if (byte == 255) return of(__builtin_nan(""));
    return of(__builtin_bit_cast(double, static_cast<std::uint64_t>(byte + 1023 - 127) << 52));
  }
  // Of the block with this index in a line of scales.
  [[nodiscard]] ScaledFactors at(const unsigned char* scales, std::uint64_t index) const {
    if (linear_.scaled.form != ScaleForm::wide) return of_byte(scales[index]);
    const unsigned char* from = scales + index * size_of(linear_.scale_type);
    return of(static_cast<double>(load_float(from, linear_.scale_type)));
  }

 private:
  const PackedLinear& linear_;
  double global_ = 1;
};

// The line of scales of a row, and the row after the last that shares it.
struct ScaleLine {
  const unsigned char* scales;
  std::uint64_t end;

  ScaleLine(const PackedLinear& linear, std::uint64_t row) {
    const std::uint64_t block = linear.scaled.block_rows;
    const std::uint64_t slice_rows =
        linear.rows_per_slice != 0 ? linear.rows_per_slice : linear.out_features;
    const std::uint64_t slice = row / slice_rows;
    const std::uint64_t in_slice = row % slice_rows;
    const std::uint64_t lines = (slice_rows + block - 1) / block;  // of a slice
    const std::uint64_t stop = (in_slice / block + 1) * block;
    scales = line(linear[Role::scales], slice * lines + in_slice / block);
    end = slice * slice_rows + (stop < slice_rows ? stop : slice_rows);
  }
};

// So many elements of one scale are worth a table of all 256 values of a byte.
inline constexpr std::uint64_t kTabledElements = 512;

// Elements [begin, end) of rows [first, last), of a byte each, in one block; `out` is where column
// 0 of `first` goes.
template <Target kTarget>
inline void float8_block(const PackedLinear& linear, const ScaledFactors& factors,
                         std::uint64_t first, std::uint64_t last, std::uint64_t begin,
                         std::uint64_t end, ElementOf<kTarget>* out) {
  const SmallFloat element = linear.scaled.element;
  const auto value = [&](std::uint32_t code) {
    return narrow<kTarget>(factors.at(element_value(element, code)));
  };
  ElementOf<kTarget> values[256];
  const bool tabled = (last - first) * (end - begin) >= kTabledElements;
  for (std::uint32_t code = 0; tabled && code < 256; ++code) values[code] = value(code);
  for (std::uint64_t row = first; row < last; ++row, out += linear.in_features) {
    const unsigned char* codes = line(linear[Role::codes], row);
    if (tabled) {
      for (std::uint64_t k = begin; k < end; ++k) out[k] = values[codes[k]];
    } else {
      for (std::uint64_t k = begin; k < end; ++k) out[k] = value(codes[k]);
    }
  }
}

template <Target kTarget>
inline void float8_plain(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                         void* out) {
  const ScaledFactorsOf factors(linear);
  for (std::uint64_t row = row_begin; row < row_end;) {
    const ScaleLine scale_line(linear, row);
    const std::uint64_t stop = scale_line.end < row_end ? scale_line.end : row_end;
    auto* to = static_cast<ElementOf<kTarget>*>(out) + (row - row_begin) * linear.in_features;
    for (std::uint64_t k = 0; k < linear.in_features; k += linear.group_size) {
      const std::uint64_t left = linear.in_features - k;
      const std::uint64_t end = k + (left < linear.group_size ? left : linear.group_size);
      float8_block<kTarget>(linear, factors.at(scale_line.scales, k / linear.group_size), row, stop,
                            k, end, to);
    }
    row = stop;
  }
}

// The sixteen values of E2M1 for each byte that a scale may be, made when they are first asked for.
template <Target kTarget, class Made>
class Float4Tables {
 public:
  explicit Float4Tables(const PackedLinear& linear) : factors_(linear) {}

  [[nodiscard]] const Made& at(std::uint32_t byte) {
    if (!made_[byte]) {
      made_[byte] = true;
      const ScaledFactors factors = factors_.of_byte(byte);
      ElementOf<kTarget> values[16];
      for (int code = 0; code < 16; ++code) {
        values[code] = narrow<kTarget>(factors.at(kFloat4[code]));
      }
      tables_[byte].fill(values);
    }
    return tables_[byte];
  }

 private:
  ScaledFactorsOf factors_;
  bool made_[256] = {};
  Made tables_[256];
};

template <Target kTarget>
struct PlainFloat4 {
  ElementOf<kTarget> values[16];
  void fill(const ElementOf<kTarget>* from) { __builtin_memcpy(values, from, sizeof values); }
};

// Columns [begin, linear.in_features) of one row; `out` is where its column 0 goes.
template <Target kTarget, class Made>
inline void float4_columns(const PackedLinear& linear, std::uint64_t row, std::uint64_t begin,
                           Float4Tables<kTarget, Made>& tables, ElementOf<kTarget>* out) {
  const unsigned char* codes = line(linear[Role::codes], row);
  const unsigned char* scales = ScaleLine(linear, row).scales;
  for (std::uint64_t k = begin; k < linear.in_features; ++k) {
    const auto code = nibble(codes[k / 2], static_cast<std::uint32_t>(k % 2));
    out[k] = tables.at(scales[k / linear.group_size]).values[code];
  }
}

template <Target kTarget>
inline void scaled_plain(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                         void* out) {
  if (linear.scaled.element != SmallFloat::e2m1) {
    return float8_plain<kTarget>(linear, row_begin, row_end, out);
  }
  Float4Tables<kTarget, PlainFloat4<kTarget>> tables(linear);
  for (std::uint64_t row = row_begin; row < row_end; ++row) {
    auto* to = static_cast<ElementOf<kTarget>*>(out) + (row - row_begin) * linear.in_features;
    float4_columns<kTarget>(linear, row, 0, tables, to);
  }
}

struct Scaled {
  static constexpr LayoutId kId = LayoutId::scaled;
  static constexpr std::uint32_t kRowBlock = 1;
};

}  // namespace
}  // namespace thaw::kernels
