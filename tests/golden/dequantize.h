// Runs the kernels on a recognised linear, as the program does: from the mapped checkpoint, in
// tiles of rows.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "quant/linears.h"

namespace thaw::test {

// 64-byte aligned, with bytes behind it that must stay as they are.
class TileBuffer {
 public:
  explicit TileBuffer(std::size_t size) : size_(size), storage_(size + 3 * kGuard, kPoison) {
    void* at = storage_.data() + kGuard;
    std::size_t space = storage_.size() - kGuard;
    data_ = static_cast<std::byte*>(std::align(64, size + kGuard, at, space));
    REQUIRE(data_ != nullptr);
  }
  [[nodiscard]] std::byte* data() { return data_; }
  [[nodiscard]] bool guards_intact() const {
    const auto poisoned = [](std::byte byte) { return byte == kPoison; };
    return std::all_of(data_ - kGuard, data_, poisoned) &&
           std::all_of(data_ + size_, data_ + size_ + kGuard, poisoned);
  }

 private:
  static constexpr std::size_t kGuard = 64;
  static constexpr std::byte kPoison{0xa5};
  std::size_t size_;
  std::vector<std::byte> storage_;
  std::byte* data_ = nullptr;
};

inline std::size_t element_size(kernels::FloatType type) {
  return type == kernels::FloatType::float32 ? 4 : 2;
}

// Out_features [first, last) of the linear, as a view of its own. Both are multiples of the row
// block, and for compressed-tensors, whose views are whole, all of them.
inline kernels::PackedLinear view_of(const Checkpoint& checkpoint, const QuantizedLinear& linear,
                                     std::uint64_t first, std::uint64_t last) {
  const auto operand = [&](const PackedOperand& packed) -> kernels::Operand {
    if (packed.tensor == nullptr) return {};
    const std::uint64_t skip = first == 0 ? 0
                               : packed.out_features_per_line != 0
                                   ? first / packed.out_features_per_line * packed.pitch
                                   : first / packed.block_rows * packed.block_bytes;
    return {checkpoint.bytes(*packed.tensor).data() + skip, packed.pitch};
  };
  const auto type = [&] {
    if (linear.scale_dtype == Dtype::f16) return kernels::FloatType::float16;
    return linear.scale_dtype == Dtype::bf16 ? kernels::FloatType::bfloat16
                                             : kernels::FloatType::float32;
  };
  const Tensor* zeros = linear[Role::zeros].tensor;
  const bool int8_zeros = zeros != nullptr && zeros->dtype == Dtype::i8;
  kernels::Operand index = operand(linear[Role::group_index]);
  if (index.data != nullptr) {
    index.element = dtype_bits(linear[Role::group_index].tensor->dtype) / 8;
  }
  kernels::PackedLinear view{.in_features = linear.in_features,
                             .out_features = last - first,
                             .group_size = linear.group_size,
                             .scale_type = type(),
                             .bits = linear.bits,
                             .zeros = int8_zeros ? kernels::Zeros::int8 : kernels::Zeros::packed,
                             .rows_per_slice = linear.rows_per_slice,
                             .groups = linear[Role::scales].lines,
                             .zero_addend = linear.zero_addend,
                             .scaled = {}};
  view[kernels::Role::codes] = operand(linear[Role::codes]);
  view[kernels::Role::zeros] = operand(linear[Role::zeros]);
  view[kernels::Role::scales] = operand(linear[Role::scales]);
  view[kernels::Role::group_index] = index;
  return view;
}

// The weight in tiles of `tile_rows`; with `as_views`, each tile from a view that begins with it.
inline std::vector<std::byte> dequantize(const Checkpoint& checkpoint,
                                         const QuantizedLinear& linear,
                                         const kernels::Layout& kernel,
                                         const kernels::OutputFormat& format,
                                         std::uint64_t tile_rows, bool as_views = false) {
  const std::uint64_t rows = linear.out_features;
  const std::size_t row_size = linear.in_features * element_size(format.type);
  std::vector<std::byte> weight(rows * row_size);
  for (std::uint64_t first = 0; first < rows; first += tile_rows) {
    const std::uint64_t last = std::min(first + tile_rows, rows);
    const std::uint64_t base = as_views ? first : 0;
    const kernels::PackedLinear view = view_of(checkpoint, linear, base, as_views ? last : rows);
    TileBuffer tile((last - first) * row_size);
    kernel.dequantize(view, first - base, last - base, tile.data(), format);
    CHECK(tile.guards_intact());
    std::memcpy(&weight[first * row_size], tile.data(), (last - first) * row_size);
  }
  return weight;
}

}  // namespace thaw::test
