// The header of a safetensors file, checked in full: specs/safetensors.md, whose clauses the
// error messages and tests follow. Total: any bytes give a table or errors, never a fault.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "checkpoint/arena.h"
#include "checkpoint/checkpoint.h"

namespace thaw {

constexpr std::uint64_t kHeaderBegin = 8;              // after the length
constexpr std::uint64_t kLongestHeader = 100'000'000;  // as the reference implementation
constexpr std::size_t kLongestTensorName = std::size_t{64} * 1024;
constexpr std::size_t kHighestRank = 64;  // PyTorch's limit

// What the headers of all shards say.
struct TensorTable {
  Arena arena;
  std::vector<Tensor> tensors;
  std::map<std::string, std::string> metadata;  // the first shard's value stays
};

// The length of the JSON header that the first 8 bytes of `file` tell, checked against the size of
// the file. `path` is for messages.
[[nodiscard]] Result<std::uint64_t> header_length(std::string_view path,
                                                  std::span<const std::byte> file);

// Checks the header of `file` and appends its tensors to the table, sorted by name. `passed` is
// told now and then up to which offset the header will not be looked at again.
[[nodiscard]] Status read_header(std::string_view path, std::span<const std::byte> file,
                                 std::uint32_t shard, TensorTable& table,
                                 const std::function<void(std::uint64_t)>& passed = {});

}  // namespace thaw
