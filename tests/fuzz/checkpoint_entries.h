// What the fuzzers of headers and indexes run, and what a test runs over their corpus: takes any
// bytes, and aborts when a property does not hold.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/header.h"
#include "checkpoint/index.h"
#include "fuzz/require.h"

namespace thaw::fuzz {

inline void run_header(const std::uint8_t* data, std::size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  TensorTable table;
  const Status status = read_header("f", file, 0, table);
  if (!status.ok()) return check_error(status.error());
  std::uint64_t covered = 0;
  for (std::size_t i = 0; i < table.tensors.size(); ++i) {
    const Tensor& tensor = table.tensors[i];
    require(tensor.begin <= tensor.end && tensor.end <= size);
    require(i == 0 || table.tensors[i - 1].name < tensor.name);
    covered += tensor.size();
  }
  require(covered == size - kHeaderBegin - header_length("f", file).value());
}

inline void run_index(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<std::vector<std::string>> shards = shards_of_index("i", text);
  if (!shards.ok()) return check_error(shards.error());
  require(!shards.value().empty());
  for (const std::string& name : shards.value()) {
    require(name.find('/') == std::string::npos && is_safe_line(name) && name.size() <= 240);
  }
  const Status status = check_index("i", text, {}, {});
  require(!status.ok());  // it lists a tensor, and there is none
  check_error(status.error());
}

}  // namespace thaw::fuzz
