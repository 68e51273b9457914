// ct_pack and ct_int8 in plain C++: specs/compressed_tensors.md. Rows of codes in plain order,
// scales and zeros by row; zeros as bytes, or packed along the rows.
#pragma once

#include "kernels/bits-inl.h"

namespace thaw::kernels {
namespace {

inline std::uint64_t group_count(const PackedLinear& linear) {
  return (linear.in_features + linear.group_size - 1) / linear.group_size;
}

inline std::uint64_t group_of(const PackedLinear& linear, std::uint64_t k) {
  if (linear[Role::group_index].data == nullptr) return k / linear.group_size;
  return load<std::uint32_t>(line(linear[Role::group_index], 0) + k * 4);
}

// The line of scales, and of zeros, that a row has.
inline std::uint64_t factor_line(const PackedLinear& linear, std::uint64_t row) {
  return row / linear.rows_per_scale;
}

// The zeros of one row, as codes: what is stored is less by the middle of the codes. Packed ones
// are a stream along the rows, so one may begin in a word and end in that of the next line.
class CtZeros {
 public:
  CtZeros(const PackedLinear& linear, std::uint64_t row)
      : kind_(linear.zeros), mask_((1u << linear.bits) - 1), middle_(1 << (linear.bits - 1)) {
    if (linear[Role::zeros].data == nullptr) return;
    row = factor_line(linear, row);
    if (kind_ == Zeros::int8) {
      line_ = line(linear[Role::zeros], row);
      return;
    }
    const std::uint64_t rows = linear.rows_per_slice != 0 ? linear.rows_per_slice : row + 1;
    const std::uint64_t lines = (rows * linear.bits + 31) / 32;
    const std::uint64_t bit = row % rows * linear.bits;
    line_ = line(linear[Role::zeros], row / rows * lines + bit / 32);
    shift_ = static_cast<std::uint32_t>(bit % 32);
    if (shift_ + linear.bits > 32) next_ = line_ + linear[Role::zeros].pitch;
  }

  [[nodiscard]] int at(std::uint64_t group) const {
    if (line_ == nullptr) return middle_;
    if (kind_ == Zeros::int8) return middle_ + load<std::int8_t>(line_ + group);
    std::uint64_t words = load<std::uint32_t>(line_ + group * 4);
    if (next_ != nullptr) {
      words |= static_cast<std::uint64_t>(load<std::uint32_t>(next_ + group * 4)) << 32;
    }
    return static_cast<int>(words >> shift_ & mask_);
  }

 private:
  const unsigned char* line_ = nullptr;
  const unsigned char* next_ = nullptr;  // null: a zero lies within one word
  Zeros kind_;
  std::uint32_t shift_ = 0;
  std::uint32_t mask_;
  int middle_;
};

struct CtPack {
  static constexpr LayoutId kId = LayoutId::ct_pack;
  static constexpr std::uint32_t kRowBlock = 1;
  static constexpr bool kScalesByRow = true;
  static constexpr bool kZeroIsFloat = false;

  static Product factors(const PackedLinear& linear, std::uint64_t row, std::uint64_t group) {
    return {load_scale(linear, factor_line(linear, row), group), CtZeros(linear, row).at(group)};
  }

  static int code(const PackedLinear& linear, const unsigned char* codes, std::uint64_t k) {
    if (linear.bits == 8) return codes[k];
    if (linear.bits != 4) return stream_code(codes, k, linear.bits);
    return static_cast<int>(nibble(codes[k / 2], static_cast<std::uint32_t>(k % 2)));
  }
};

// Codes as signed bytes.
struct CtInt8 {
  static constexpr LayoutId kId = LayoutId::ct_int8;
  static constexpr std::uint32_t kRowBlock = 1;
  static constexpr bool kScalesByRow = true;
  static constexpr bool kZeroIsFloat = false;

  static Product factors(const PackedLinear& linear, std::uint64_t row, std::uint64_t group) {
    return CtPack::factors(linear, row, group);
  }

  static int code(const PackedLinear&, const unsigned char* codes, std::uint64_t k) {
    return codes[k] ^ 0x80;
  }
};

// A row whose columns name their groups. The values of 64 groups at a time, then all columns that
// are in one of them: the row is read once for every 64 groups. An index that names no group
// leaves its column unwritten.
template <class Layout, Target kTarget>
inline void ct_indexed_row(const PackedLinear& linear, std::uint64_t row, ElementOf<kTarget>* out) {
  constexpr std::uint64_t kBatch = 64;
  const unsigned char* codes = line(linear[Role::codes], row);
  const std::uint64_t groups = group_count(linear);
  const bool wide = linear.bits > 4;
  ElementOf<kTarget> values[kBatch][16];
  Product factors[kBatch];
  for (std::uint64_t first = 0; first < groups; first += kBatch) {
    const std::uint64_t count = groups - first < kBatch ? groups - first : kBatch;
    for (std::uint64_t i = 0; i < count; ++i) {
      factors[i] = Layout::factors(linear, row, first + i);
      if (wide) continue;
      for (int code = 0; code < 16; ++code) values[i][code] = narrow<kTarget>(factors[i].at(code));
    }
    for (std::uint64_t k = 0; k < linear.in_features; ++k) {
      const std::uint64_t i = group_of(linear, k) - first;  // wraps for earlier groups
      if (i >= count) continue;
      const int code = Layout::code(linear, codes, k);
      out[k] = wide ? narrow<kTarget>(factors[i].at(code)) : values[i][code];
    }
  }
}

// So many columns of one group for each value of a code, or more, are worth a table of the values.
inline constexpr std::uint64_t kTabledColumns = 2;

// Columns [begin, end) of rows [row_begin, row_end); `out` is where column 0 of row_begin goes.
template <class Layout, Target kTarget>
inline void ct_columns(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                       std::uint64_t begin, std::uint64_t end, void* out) {
  using Value = ElementOf<kTarget>;
  for (std::uint64_t row = row_begin; row < row_end; ++row) {
    Value* to = static_cast<Value*>(out) + (row - row_begin) * linear.in_features;
    const unsigned char* codes = line(linear[Role::codes], row);
    for (std::uint64_t k = begin; k < end;) {
      const std::uint64_t group = k / linear.group_size;
      const std::uint64_t group_end = (group + 1) * linear.group_size;
      const std::uint64_t stop = group_end < end ? group_end : end;
      const auto factors = Layout::factors(linear, row, group);
      const int count = 1 << linear.bits;
      if (count > 16 && stop - k < kTabledColumns * static_cast<std::uint64_t>(count)) {
        for (; k < stop; ++k) to[k] = narrow<kTarget>(factors.at(Layout::code(linear, codes, k)));
        continue;
      }
      Value values[256];
      for (int code = 0; code < count; ++code) values[code] = narrow<kTarget>(factors.at(code));
      for (; k < stop; ++k) to[k] = values[Layout::code(linear, codes, k)];
    }
  }
}

template <class Layout, Target kTarget>
inline void ct_plain(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                     void* out) {
  if (linear[Role::group_index].data == nullptr) {
    return ct_columns<Layout, kTarget>(linear, row_begin, row_end, 0, linear.in_features, out);
  }
  for (std::uint64_t row = row_begin; row < row_end; ++row) {
    auto* to = static_cast<ElementOf<kTarget>*>(out) + (row - row_begin) * linear.in_features;
    ct_indexed_row<Layout, kTarget>(linear, row, to);
  }
}

}  // namespace
}  // namespace thaw::kernels
