// Where each layout keeps the code, the scale and the zero of an element: the formulas of
// specs/awq.md, in plain C++. The scalar table runs on them, and the others where a shape or a
// type is too odd for their vectors.
#pragma once

#include "kernels/float-inl.h"

namespace thaw::kernels {
namespace {

inline const unsigned char* line(const Operand& operand, std::uint64_t index) {
  return static_cast<const unsigned char*>(operand.data) + index * operand.pitch;
}

inline std::uint32_t nibble(std::uint32_t word, std::uint32_t index) {
  return word >> (4 * index) & 15u;
}

// AutoAWQ's order: nibble i of a word belongs to column kColumnOf[i], column c is in kNibbleOf[c].
inline constexpr std::uint8_t kColumnOf[8] = {0, 2, 4, 6, 1, 3, 5, 7};
inline constexpr std::uint8_t kNibbleOf[8] = {0, 4, 1, 5, 2, 6, 3, 7};

// The value of a code: (code - zero) * scale. Exact in double for every scale type.
struct Product {
  double scale;
  int zero;
  [[nodiscard]] double at(int code) const { return static_cast<double>(code - zero) * scale; }
};

// The value of a code where the file holds the zero already multiplied: code * scale + zero.
struct Sum {
  double scale;
  double zero;
  [[nodiscard]] double at(int code) const {
    return odd_sum(static_cast<double>(code) * scale, zero);
  }
};

inline double load_scale(const PackedLinear& linear, std::uint64_t at_line, std::uint64_t column) {
  const auto* from = line(linear[Role::scales], at_line) + column * size_of(linear.scale_type);
  return static_cast<double>(load_float(from, linear.scale_type));
}

// Each layout has
//   kId, kRowBlock as in the table; kScalesByRow: scales[row][group], else scales[group][row];
//   kZeroIsFloat: qzeros has the shape and type of scales;
//   factors(linear, row, group): what turns a code of that row and group into its value;
//   codes(linear, row, begin, end, put): put(i, k, code) for rows row + i, 0 <= i < kRowBlock,
//     and columns begin <= k < end. row is a multiple of kRowBlock.

struct AwqGemm {
  static constexpr LayoutId kId = LayoutId::awq_gemm;
  static constexpr std::uint32_t kRowBlock = 8;
  static constexpr bool kScalesByRow = false;
  static constexpr bool kZeroIsFloat = false;

  static Product factors(const PackedLinear& linear, std::uint64_t row, std::uint64_t group) {
    int zero = 8;
    if (linear[Role::zeros].data != nullptr) {
      const auto word = load<std::uint32_t>(line(linear[Role::zeros], group) + row / 8 * 4);
      zero = static_cast<int>(nibble(word, kNibbleOf[row % 8]));
    }
    return {load_scale(linear, group, row), zero};
  }

  template <class Put>
  static void codes(const PackedLinear& linear, std::uint64_t row, std::uint64_t begin,
                    std::uint64_t end, const Put& put) {
    for (std::uint64_t k = begin; k < end; ++k) {
      const auto word = load<std::uint32_t>(line(linear[Role::codes], k) + row / 8 * 4);
      for (std::uint32_t i = 0; i < 8; ++i) put(kColumnOf[i], k, nibble(word, i));
    }
  }
};

struct AwqGemv {
  static constexpr LayoutId kId = LayoutId::awq_gemv;
  static constexpr std::uint32_t kRowBlock = 1;
  static constexpr bool kScalesByRow = true;
  static constexpr bool kZeroIsFloat = false;

  static Product factors(const PackedLinear& linear, std::uint64_t row, std::uint64_t group) {
    int zero = 8;
    if (linear[Role::zeros].data != nullptr) {
      const auto word = load<std::uint32_t>(line(linear[Role::zeros], row) + group / 8 * 4);
      zero = static_cast<int>(nibble(word, static_cast<std::uint32_t>(group % 8)));
    }
    return {load_scale(linear, row, group), zero};
  }

  template <class Put>
  static void codes(const PackedLinear& linear, std::uint64_t row, std::uint64_t begin,
                    std::uint64_t end, const Put& put) {
    const unsigned char* bytes = line(linear[Role::codes], row);
    for (std::uint64_t k = begin; k < end; ++k) {
      put(0u, k, nibble(bytes[k / 2], static_cast<std::uint32_t>(k % 2)));
    }
  }
};

struct AwqGemvFast {
  static constexpr LayoutId kId = LayoutId::awq_gemv_fast;
  static constexpr std::uint32_t kRowBlock = 4;
  static constexpr bool kScalesByRow = false;
  static constexpr bool kZeroIsFloat = true;

  static Sum factors(const PackedLinear& linear, std::uint64_t row, std::uint64_t group) {
    const auto* zero = line(linear[Role::zeros], group) + row * size_of(linear.scale_type);
    return {load_scale(linear, group, row),
            static_cast<double>(load_float(zero, linear.scale_type))};
  }

  // A line holds four rows; in each run of 64 columns a row owns 16 consecutive 16-bit units,
  // eight for columns 0..31 and eight for 32..63. Within 32 columns, k = 8a + 2b + c sits in unit
  // 2b + c, nibble a.
  template <class Put>
  static void codes(const PackedLinear& linear, std::uint64_t row, std::uint64_t begin,
                    std::uint64_t end, const Put& put) {
    const unsigned char* units = line(linear[Role::codes], row / 4);
    for (std::uint32_t i = 0; i < 4; ++i) {
      for (std::uint64_t k = begin; k < end; ++k) {
        const std::uint64_t unit = k / 64 * 64 + i * 16 + k % 64 / 32 * 8 + k % 8;
        const std::uint32_t bits = load<std::uint16_t>(units + unit * 2);
        put(i, k, nibble(bits, static_cast<std::uint32_t>(k % 32 / 8)));
      }
    }
  }
};

struct AwqMarlin {
  static constexpr LayoutId kId = LayoutId::awq_marlin;
  static constexpr std::uint32_t kRowBlock = 64;
  static constexpr bool kScalesByRow = false;
  static constexpr bool kZeroIsFloat = false;

  static Product factors(const PackedLinear& linear, std::uint64_t row, std::uint64_t group) {
    const bool one_group = linear.group_size == linear.in_features;
    const std::uint64_t column = one_group
                                     ? row / 32 * 32 + row % 8 / 2 * 8 + row % 32 / 8 * 2 + row % 2
                                     : row / 64 * 64 + row % 8 * 8 + row % 64 / 8;
    return {load_scale(linear, group, column), 8};
  }

  // A line holds 16 columns of all rows; 128 words for 64 rows. Word 4t + j holds rows 16j + t/4
  // and 8 more, columns 2(t%4), the next, and both plus 8.
  template <class Put>
  static void codes(const PackedLinear& linear, std::uint64_t row, std::uint64_t begin,
                    std::uint64_t end, const Put& put) {
    for (std::uint64_t k = begin; k < end;) {
      const unsigned char* chunk = line(linear[Role::codes], k / 16) + row / 64 * 512;
      const std::uint64_t line_end = (k / 16 + 1) * 16;
      const std::uint64_t stop = line_end < end ? line_end : end;
      for (std::uint32_t i = 0; i < 64; ++i) {
        const unsigned char* words = chunk + (i % 8 * 16 + i / 16) * 4;
        for (std::uint64_t at = k; at < stop; ++at) {
          const auto word = load<std::uint32_t>(words + at % 8 / 2 * 16);
          const auto select = static_cast<std::uint32_t>(at % 2 + at % 16 / 8 * 2);
          put(i, at, nibble(word, kNibbleOf[i % 16 / 8 * 4 + select]));
        }
      }
      k = stop;
    }
  }
};

// Columns [begin, end) of rows [row_begin, row_end); `out` is where column 0 of row_begin goes.
template <class Layout, Target kTarget>
inline void dequantize_columns(const PackedLinear& linear, std::uint64_t row_begin,
                               std::uint64_t row_end, std::uint64_t begin, std::uint64_t end,
                               void* out) {
  using Value = ElementOf<kTarget>;
  const std::uint64_t pitch = linear.in_features;
  for (std::uint64_t row = row_begin; row < row_end; row += Layout::kRowBlock) {
    Value* rows = static_cast<Value*>(out) + (row - row_begin) * pitch;
    for (std::uint64_t k = begin; k < end;) {
      const std::uint64_t group = k / linear.group_size;
      const std::uint64_t group_end = (group + 1) * linear.group_size;
      const std::uint64_t stop = group_end < end ? group_end : end;
      Value values[Layout::kRowBlock][16];
      for (std::uint32_t i = 0; i < Layout::kRowBlock; ++i) {
        const auto factors = Layout::factors(linear, row + i, group);
        for (int code = 0; code < 16; ++code) values[i][code] = narrow<kTarget>(factors.at(code));
      }
      Layout::codes(linear, row, k, stop,
                    [&](std::uint32_t i, std::uint64_t at, std::uint32_t code) {
                      rows[i * pitch + at] = values[i][code];
                    });
      k = stop;
    }
  }
}

template <class Layout, Target kTarget>
inline void dequantize_plain(const PackedLinear& linear, std::uint64_t row_begin,
                             std::uint64_t row_end, void* out) {
  dequantize_columns<Layout, kTarget>(linear, row_begin, row_end, 0, linear.in_features, out);
}

}  // namespace
}  // namespace thaw::kernels
