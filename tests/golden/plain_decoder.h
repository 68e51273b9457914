// The formulas of specs/awq.md clauses 3 to 6 and specs/gptq.md clauses 2 to 4, read from the
// packed side: every nibble of qweight in file order, and where it belongs. The kernels go the
// other way, from the weight to the nibble, so a mistake in one is not repeated here. float32
// output of float16 scales only: there a double holds every value exactly.
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/half.h"
#include "quant/linears.h"

namespace thaw::test {

class PlainDecoder {
 public:
  PlainDecoder(const Checkpoint& checkpoint, const QuantizedLinear& linear)
      : checkpoint_(checkpoint), linear_(linear) {
    REQUIRE(linear.scale_dtype == Dtype::f16);
  }

  // [out_features, in_features].
  [[nodiscard]] std::vector<float> decode() const {
    if (linear_.layout->name == "gptq") return decode_gptq();
    std::vector<float> weight(linear_.out_features * linear_.in_features);
    const std::uint64_t nibbles = linear_[Role::codes].tensor->size() * 2;
    for (std::uint64_t i = 0; i < nibbles; ++i) {
      const Element at = place(i);
      const std::uint64_t group = at.k / linear_.group_size;
      weight[at.n * linear_.in_features + at.k] =
          static_cast<float>(value(nibble(*linear_[Role::codes].tensor, i), at.n, group));
    }
    return weight;
  }

 private:
  struct Element {
    std::uint64_t n = 0;
    std::uint64_t k = 0;
  };

  [[nodiscard]] std::uint32_t word(const Tensor& tensor, std::uint64_t index) const {
    return load_little_endian<std::uint32_t>(checkpoint_.bytes(tensor).data() + index * 4);
  }

  // Word by word; g_idx as it is in the file, and half of the range where zeros do not count.
  [[nodiscard]] std::vector<float> decode_gptq() const {
    const std::uint64_t outputs = linear_.out_features;
    const std::uint64_t per_word = 32 / linear_.bits;
    const std::uint32_t mask = linear_.bits == 4 ? 15 : 255;
    const auto field = [&](std::uint32_t of, std::uint64_t index) {
      return static_cast<double>(of >> (index * linear_.bits) & mask);
    };
    const Tensor* const index = linear_[Role::group_index].tensor;
    std::vector<float> weight(outputs * linear_.in_features);
    for (std::uint64_t i = 0; i < linear_[Role::codes].tensor->size() / 4; ++i) {
      for (std::uint64_t f = 0; f < per_word; ++f) {
        const std::uint64_t n = i % outputs;
        const std::uint64_t k = i / outputs * per_word + f;
        const std::uint64_t g = index == nullptr ? k / linear_.group_size : word(*index, k);
        double zero = (mask + 1) / 2;
        if (linear_[Role::zeros].tensor != nullptr) {
          const std::uint64_t at = g * linear_[Role::zeros].tensor->shape[1] + n / per_word;
          zero = field(word(*linear_[Role::zeros].tensor, at) + linear_.zero_addend, n % per_word);
        }
        const double value = (field(word(*linear_[Role::codes].tensor, i), f) - zero) *
                             half(*linear_[Role::scales].tensor, g * outputs + n);
        weight[n * linear_.in_features + k] = static_cast<float>(value);
      }
    }
    return weight;
  }

  [[nodiscard]] std::uint32_t nibble(const Tensor& tensor, std::uint64_t index) const {
    const auto byte = std::to_integer<std::uint32_t>(checkpoint_.bytes(tensor)[index / 2]);
    return byte >> (4 * (index % 2)) & 15u;
  }
  [[nodiscard]] double half(const Tensor& tensor, std::uint64_t index) const {
    const std::byte* from = checkpoint_.bytes(tensor).data() + index * 2;
    return static_cast<double>(float_from_half(load_little_endian<std::uint16_t>(from)));
  }

  // Which element of the weight nibble i of qweight is. In a little-endian file the nibbles of a
  // word lie in order, so i counts through words of 8 and units of 4 alike.
  [[nodiscard]] Element place(std::uint64_t i) const {
    constexpr std::uint64_t kOrder[8] = {0, 2, 4, 6, 1, 3, 5, 7};
    const std::uint64_t columns = linear_[Role::codes].tensor->shape[1];
    const std::uint64_t word = i / 8;
    const std::string_view name = linear_.layout->name;
    if (name == "awq_gemm") return {word % columns * 8 + kOrder[i % 8], word / columns};
    if (name == "awq_gemv") return {word / columns, i % (columns * 8)};
    if (name == "awq_marlin") {
      const std::uint64_t w = word % columns;
      const std::uint64_t t = w % 128 / 4;
      const std::uint64_t e = kOrder[i % 8];
      const std::uint64_t x = e % 4;
      return {64 * (w / 128) + 16 * (w % 4) + 8 * (e / 4) + t / 4,
              16 * (word / columns) + 2 * (t % 4) + (x < 2 ? x : x + 6)};
    }
    REQUIRE(name == "awq_gemv_fast");
    const std::uint64_t unit = i / 4 % columns;
    const std::uint64_t in_run = unit % 16;
    return {i / 4 / columns * 4 + unit % 64 / 16,
            unit / 64 * 64 + in_run / 8 * 32 + i % 4 * 8 + in_run % 8};
  }

  [[nodiscard]] double value(std::uint32_t code, std::uint64_t n, std::uint64_t group) const {
    const std::uint64_t rows = linear_.out_features;
    const Tensor& scales = *linear_[Role::scales].tensor;
    const Tensor* zeros = linear_[Role::zeros].tensor;
    const auto q = static_cast<double>(code);
    const std::string_view name = linear_.layout->name;
    if (name == "awq_gemv") {
      const std::uint64_t padded = scales.shape[1];
      return (q - nibble(*zeros, n * padded + group)) * half(scales, n * padded + group);
    }
    if (name == "awq_gemv_fast") {
      return q * half(scales, group * rows + n) + half(*zeros, group * rows + n);
    }
    if (name == "awq_gemm") {
      constexpr std::uint64_t kNibbleOf[8] = {0, 4, 1, 5, 2, 6, 3, 7};
      const std::uint64_t at = group * rows + n / 8 * 8 + kNibbleOf[n % 8];
      const double z = zeros == nullptr ? 8 : nibble(*zeros, at);
      return (q - z) * half(scales, group * rows + n);
    }
    const std::uint64_t column = linear_.group_size == linear_.in_features
                                     ? 32 * (n / 32) + 8 * (n % 8 / 2) + 2 * (n % 32 / 8) + n % 2
                                     : 64 * (n / 64) + 8 * (n % 8) + n % 64 / 8;
    return (q - 8) * half(scales, group * rows + column);
  }

  const Checkpoint& checkpoint_;
  const QuantizedLinear& linear_;
};

}  // namespace thaw::test
