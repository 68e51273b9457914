#include "quant/compressed_values.h"

#include <algorithm>
#include <array>
#include <optional>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"
#include "quant/content.h"

namespace thaw {

namespace {

// Nothing for a negative value.
template <typename T>
std::optional<std::uint64_t> extent(const std::byte* from) {
  const T value = load_little_endian<T>(from);
  if constexpr (std::is_signed_v<T>) {
    if (value < 0) return std::nullopt;
  }
  return static_cast<std::uint64_t>(value);
}

// Nothing for a type that is not an integer's either.
std::optional<std::uint64_t> extent_at(const std::byte* bytes, Dtype dtype, std::size_t index) {
  const std::byte* from = bytes + index * (dtype_bits(dtype) / 8);
  switch (dtype) {
    case Dtype::i8:
      return extent<std::int8_t>(from);
    case Dtype::u8:
      return extent<std::uint8_t>(from);
    case Dtype::i16:
      return extent<std::int16_t>(from);
    case Dtype::u16:
      return extent<std::uint16_t>(from);
    case Dtype::i32:
      return extent<std::int32_t>(from);
    case Dtype::u32:
      return extent<std::uint32_t>(from);
    case Dtype::i64:
      return extent<std::int64_t>(from);
    case Dtype::u64:
      return extent<std::uint64_t>(from);
    default:
      return std::nullopt;
  }
}

bool is_vector(const Tensor& tensor, std::uint64_t count) {
  return tensor.shape.size() == 1 && tensor.shape[0] == count;
}

}  // namespace

Problem read_weight_shape(const Checkpoint& checkpoint, const Tensor& shape,
                          std::span<const std::uint64_t> rows, std::uint64_t& in_features) {
  const std::size_t rank = rows.size() + 1;
  const std::string expected = std::to_string(rank) + " integers that are not negative";
  if (!is_vector(shape, rank)) {
    return "weight_shape: got " + tensor_text(shape) + ", expected " + expected;
  }
  std::vector<std::uint64_t> said;
  const Status read = with_content(checkpoint, shape, [&](std::span<const std::byte> bytes) {
    for (std::size_t i = 0; i < rank; ++i) {
      const auto value = extent_at(bytes.data(), shape.dtype, i);
      if (value.has_value()) said.push_back(*value);
    }
  });
  if (!read.ok()) return read.error().messages.front();
  if (said.size() != rank) return "weight_shape holds other values than " + expected;
  in_features = said.back();
  if (in_features != 0 && std::equal(rows.begin(), rows.end(), said.begin())) return std::nullopt;
  return "weight_shape says " + shape_text(said) + ", which is not the shape of weight_packed";
}

Problem read_group_index(const Checkpoint& checkpoint, const Tensor& index,
                         std::uint64_t in_features, std::uint64_t group_size, bool& in_order) {
  in_order = true;
  if (index.dtype != Dtype::i32 || !is_vector(index, in_features)) {
    return "weight_g_idx: got " + tensor_text(index) + ", expected I32 [" +
           std::to_string(in_features) + "]";
  }
  std::vector<std::int64_t> group_of;
  group_of.reserve(in_features);
  const Status read = with_content(checkpoint, index, [&](std::span<const std::byte> bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += 4) {
      group_of.push_back(load_little_endian<std::int32_t>(&bytes[at]));
    }
  });
  if (!read.ok()) return read.error().messages.front();
  if (std::find(group_of.begin(), group_of.end(), -1) != group_of.end()) return std::nullopt;
  std::vector<std::uint64_t> members(divide_up(in_features, group_size));
  for (std::uint64_t k = 0; k < in_features; ++k) {
    const auto group = static_cast<std::uint64_t>(group_of[k]);
    if (group >= members.size()) {
      return "weight_g_idx: got group " + std::to_string(group_of[k]) + ", expected 0 to " +
             std::to_string(members.size() - 1);
    }
    in_order = in_order && group == k / group_size;
    ++members[group];
  }
  // Only where all are full is this what sorting by group and cutting into runs would give.
  if (in_order || std::count(members.begin(), members.end(), group_size) ==
                      static_cast<std::ptrdiff_t>(members.size())) {
    return std::nullopt;
  }
  return "weight_g_idx: got groups of different sizes, expected " + std::to_string(group_size) +
         " columns in each";
}

}  // namespace thaw
