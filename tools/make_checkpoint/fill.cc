// Every 8 bytes come from one mixed counter. Floats are looked up: each 16 bits of the counter pick
// one of 4096 quantiles of the distribution (and, for scaled zeros, one of 16 zero points with the
// same scale), so that embeddings of gigabytes take seconds.
#include "fill.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/half.h"

namespace thaw::tools {

namespace {

// splitmix64's finalizer of key + index.
inline std::uint64_t mixed(std::uint64_t key, std::uint64_t index) {
  std::uint64_t z = key + index * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// The quantile of the normal distribution, by bisection: it is called a few thousand times.
double normal_quantile(double probability) {
  double low = -10;
  double high = 10;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(-middle / std::sqrt(2.0)) / 2 < probability ? low : high) = middle;
  }
  return (low + high) / 2;
}

template <typename Table>
std::uint64_t looked_up(const Table& table, std::uint64_t bits) {
  std::uint64_t four = 0;
  for (unsigned lane = 0; lane < 64; lane += 16) {
    four |= std::uint64_t{table[(bits >> lane) & 0xfffu]} << lane;
  }
  return four;
}

// The inputs of a group stand `key` apart, modulo their number: in order with 1, and with any
// number that has no divisor in common with it, every group has as many.
std::uint64_t group_of(const TensorSpec& tensor, std::uint64_t input) {
  return input * tensor.key % tensor.first / tensor.second;
}

// Zeroes what lies outside the rows and columns that hold numbers.
void clear_padding(const TensorSpec& tensor, std::uint64_t offset, std::span<std::byte> out) {
  const std::uint64_t pitch = tensor.row_bytes();
  if (tensor.used_row_bytes == pitch && tensor.used_rows == tensor.rows()) return;
  const std::uint64_t end = offset + out.size();
  for (std::uint64_t row = offset / pitch; row * pitch < end; ++row) {
    const std::uint64_t used = row < tensor.used_rows ? tensor.used_row_bytes : 0;
    const std::uint64_t from = std::max(row * pitch + used, offset);
    const std::uint64_t to = std::min((row + 1) * pitch, end);
    if (from < to) std::memset(out.data() + (from - offset), 0, to - from);
  }
}

}  // namespace

Filler::Filler(const std::string& dtype) {
  const auto rounded = [&](double value) {
    const auto single = static_cast<float>(value);
    return dtype == "BF16" ? bfloat16_from_float(single) : half_from_float(single);
  };
  const auto widened = [&](std::uint16_t bits) {
    return dtype == "BF16" ? float_from_bfloat16(bits) : float_from_half(bits);
  };
  for (std::size_t i = 0; i < kEntries; ++i) {
    const double normal = normal_quantile((static_cast<double>(i) + 0.5) / kEntries);
    scales_[i] = rounded(0.01 * std::exp(0.35 * normal));
    weights_[i] = rounded(0.02 * normal);
    norms_[i] = rounded(1 + 0.1 * normal);
    for (unsigned zero = 0; zero < 16; ++zero) {
      scaled_zeros_[i][zero] = rounded(-(static_cast<double>(widened(scales_[i])) * zero));
    }
  }
}

std::uint64_t Filler::word(const TensorSpec& tensor, std::uint64_t index) const {
  const std::uint64_t bits = mixed(tensor.key, index);
  switch (tensor.content) {
    case Content::nibbles:
      return bits;
    case Content::scales:
      return looked_up(scales_, bits);
    case Content::weights:
      return looked_up(weights_, bits);
    case Content::norm:
      return looked_up(norms_, bits);
    case Content::same:
      return tensor.key;
    case Content::low_nibbles:
      return bits & 0x7777777777777777u;
    case Content::shape:
      return index == 0 ? tensor.first : tensor.second;
    case Content::group_index:
      return group_of(tensor, 2 * index) | group_of(tensor, 2 * index + 1) << 32;
    case Content::scaled_zeros:
      break;
  }
  std::uint64_t four = 0;
  for (unsigned lane = 0; lane < 64; lane += 16) {
    const std::uint64_t lane_bits = bits >> lane;
    four |= std::uint64_t{scaled_zeros_[lane_bits & 0xfffu][(lane_bits >> 12) & 0xfu]} << lane;
  }
  return four;
}

void Filler::fill(const TensorSpec& tensor, std::uint64_t offset, std::span<std::byte> out) const {
  const std::uint64_t first = offset / 8;
  const std::size_t whole = out.size() / 8;
  if (tensor.content == Content::nibbles) {
    for (std::size_t i = 0; i < whole; ++i) {
      const std::uint64_t bits = mixed(tensor.key, first + i);
      std::memcpy(out.data() + 8 * i, &bits, 8);
    }
  } else {
    for (std::size_t i = 0; i < whole; ++i) {
      const std::uint64_t bits = word(tensor, first + i);
      std::memcpy(out.data() + 8 * i, &bits, 8);
    }
  }
  const std::uint64_t last = word(tensor, first + whole);
  std::memcpy(out.data() + 8 * whole, &last, out.size() % 8);
  clear_padding(tensor, offset, out);
}

}  // namespace thaw::tools
