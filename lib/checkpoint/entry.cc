#include "checkpoint/entry.h"

#include <array>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/text.h"

namespace thaw {

namespace {

// No file is so large; sums with such offsets do not overflow.
constexpr std::uint64_t kFarthest = std::uint64_t{1} << 62;

std::string all_dtypes() {
  std::string names;
  for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(Dtype::f64); ++i) {
    if (i != 0) names += ", ";
    names += dtype_name(static_cast<Dtype>(i));
  }
  return names;
}

// The bytes of a tensor; nothing when they overflow 64 bits or are not whole.
std::optional<std::uint64_t> byte_count(std::uint64_t elements, Dtype dtype) {
  const std::optional<std::uint64_t> bits = checked_multiply(elements, dtype_bits(dtype));
  if (!bits || *bits % 8 != 0) return std::nullopt;
  return *bits / 8;
}

}  // namespace

void EntryReader::error(std::string_view what, std::string_view got, std::string_view expected) {
  good_ = false;
  errors_->add(fail(ErrorCode::input, {.file = path_, .tensor = name_}, what, got, expected));
}

void EntryReader::check_name() {
  if (name_.empty()) {
    // Without a name to show, the place cannot be told otherwise.
    name_ = "\"\"";
    error("the name of a tensor", "an empty one", "at least one character");
  } else if (name_.size() > kLongestTensorName) {
    error("the name of a tensor", std::to_string(name_.size()) + " bytes",
          "at most " + std::to_string(kLongestTensorName));
  } else if (name_.find('\0') != std::string_view::npos) {
    error("the name of a tensor", "a NUL character in it", "none");
  }
}

void EntryReader::read_field(std::string_view key, const json::Value& value, Tensor& tensor) {
  if (key == "dtype") {
    dtype_seen_ = true;
    read_dtype(value, tensor);
  } else if (key == "shape") {
    shape_seen_ = true;
    read_shape(value);
  } else if (key == "data_offsets") {
    offsets_seen_ = true;
    read_offsets(value, tensor);
  } else {
    error("a field of the tensor's entry", in_quotes(key), "dtype, shape and data_offsets only");
  }
}

void EntryReader::read_dtype(const json::Value& value, Tensor& tensor) {
  const std::optional<std::string_view> name = value.as_string();
  const std::optional<Dtype> dtype = name ? parse_dtype(*name) : std::nullopt;
  if (!dtype) return error("dtype", value.text(), "one of " + all_dtypes());
  tensor.dtype = *dtype;
}

void EntryReader::read_shape(const json::Value& value) {
  if (value.size() > kHighestRank) {
    return error("shape", std::to_string(value.size()) + " dimensions",
                 "at most " + std::to_string(kHighestRank));
  }
  bool integers = value.kind() == json::Kind::array;
  shape_.clear();
  value.each_item([&](const json::Value& item) {
    const std::optional<std::uint64_t> extent = item.as_unsigned();
    integers = integers && extent.has_value();
    shape_.push_back(extent.value_or(0));
  });
  if (!integers) error("shape", value.text(), "an array of non-negative integers");
}

void EntryReader::read_offsets(const json::Value& value, Tensor& tensor) {
  std::array<std::uint64_t, 2> offsets{};
  std::size_t count = 0;
  if (value.kind() == json::Kind::array && value.size() == offsets.size()) {
    value.each_item([&](const json::Value& item) {
      if (const std::optional<std::uint64_t> offset = item.as_unsigned()) {
        offsets[count++] = *offset;
      }
    });
  }
  if (count != offsets.size()) {
    return error("data_offsets", value.text(), "two non-negative integers, begin and end");
  }
  const auto [begin, end] = offsets;
  if (begin > end) return error("data_offsets", value.text(), "begin not beyond end");
  if (end > data_size_) beyond_ = value.text();
  if (end > kFarthest) return error_beyond(beyond_);
  tensor.begin = data_begin_ + begin;
  tensor.end = data_begin_ + end;
}

void EntryReader::error_beyond(std::string_view offsets) {
  error("data_offsets", offsets,
        "an end of at most " + std::to_string(data_size_) + ", the bytes of data in the file");
}

void EntryReader::check_size(const Tensor& tensor) {
  const std::string what =
      "size of " + std::string(dtype_name(tensor.dtype)) + " " + shape_text(shape_);
  const std::optional<std::uint64_t> elements = element_count(shape_);
  if (!elements || !checked_multiply(*elements, dtype_bits(tensor.dtype))) {
    return error(what, "more than 2^64 bits", "what a file can hold");
  }
  const std::optional<std::uint64_t> bytes = byte_count(*elements, tensor.dtype);
  if (!bytes) {
    return error(what, std::to_string(*elements * dtype_bits(tensor.dtype)) + " bits",
                 "whole bytes");
  }
  if (*bytes != tensor.size() && !beyond_.empty()) {
    error_beyond(beyond_);
  } else if (*bytes != tensor.size()) {
    error(what, std::to_string(tensor.size()) + " bytes in data_offsets", std::to_string(*bytes));
  }
}

void EntryReader::read(std::string_view name, const json::Value& entry, ErrorList& errors) {
  name_ = name;
  errors_ = &errors;
  good_ = true;
  beyond_.clear();
  check_name();
  dtype_seen_ = shape_seen_ = offsets_seen_ = false;
  Tensor tensor;
  if (entry.kind() == json::Kind::object) {
    entry.each_member(
        [&](std::string_view key, const json::Value& value) { read_field(key, value, tensor); });
    if (!dtype_seen_) error("dtype", "none", "a string");
    if (!shape_seen_) error("shape", "none", "an array of non-negative integers");
    if (!offsets_seen_) error("data_offsets", "none", "two non-negative integers, begin and end");
  } else {
    error("the tensor's entry", entry.text(), "an object with dtype, shape and data_offsets");
  }
  if (good_) check_size(tensor);
  if (!good_) return;
  // From here on the entry is well formed, and its bytes lie inside the data or are counted.
  if (!beyond_.empty()) ++beyond_count_;
  tensor.name = table_.arena.copy(name);
  tensor.shape = table_.arena.copy(shape_);
  tensor.shard = shard_;
  table_.tensors.push_back(tensor);
}

}  // namespace thaw
