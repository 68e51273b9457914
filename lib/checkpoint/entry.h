// One tensor's entry in a safetensors header. Internal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "checkpoint/header.h"
#include "json/walk.h"

namespace thaw {

// specs/safetensors.md clauses 3, 4 and 6.
class EntryReader {
 public:
  EntryReader(std::string_view path, std::uint64_t data_begin, std::uint64_t data_size,
              std::uint32_t shard, TensorTable& table)
      : path_(path), data_begin_(data_begin), data_size_(data_size), shard_(shard), table_(table) {}

  // Appends the tensor to the table, or what is wrong with its entry to the errors. A tensor that
  // is well formed but for its end, which lies beyond the data, is appended and counted.
  void read(std::string_view name, const json::Value& entry, ErrorList& errors);

  // How many tensors end beyond the data; the caller says so, or refuses each of them.
  [[nodiscard]] std::size_t beyond() const { return beyond_count_; }

 private:
  void error(std::string_view what, std::string_view got, std::string_view expected);
  void check_name();
  void read_field(std::string_view key, const json::Value& value, Tensor& tensor);
  void read_dtype(const json::Value& value, Tensor& tensor);
  void read_shape(const json::Value& value);
  void read_offsets(const json::Value& value, Tensor& tensor);
  void check_size(const Tensor& tensor);
  void error_beyond(std::string_view offsets);

  std::string_view path_;
  std::uint64_t data_begin_;
  std::uint64_t data_size_;
  std::uint32_t shard_;
  TensorTable& table_;
  std::size_t beyond_count_ = 0;

  // Of the entry that is being read.
  std::string_view name_;
  ErrorList* errors_ = nullptr;
  bool good_ = true;
  std::string beyond_;  // its data_offsets, where they end beyond the data
  bool dtype_seen_ = false;
  bool shape_seen_ = false;
  bool offsets_seen_ = false;
  std::vector<std::uint64_t> shape_;
};

}  // namespace thaw
