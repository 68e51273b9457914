#include "plan/shards.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "base/bytes.h"
#include "json/write.h"

namespace thaw {

namespace {

constexpr std::uint64_t kAlignment = 4096;
constexpr std::uint64_t kMostHeaderBytes = 100'000'000;  // what safetensors itself opens

bool is_aligned(const PlannedTensor& tensor) { return tensor.size % kAlignment == 0; }

}  // namespace

std::vector<PlannedShard> assign_shards(std::span<const PlannedTensor> tensors,
                                        std::uint64_t most) {
  std::vector<PlannedShard> shards;
  std::uint64_t room = 0;
  for (std::uint32_t i = 0; i < tensors.size(); ++i) {
    const std::uint64_t size = tensors[i].size;
    if (shards.empty() || size > room) {
      shards.emplace_back();
      room = std::max(most, size);
    }
    shards.back().tensors.push_back(i);
    room -= size;
  }
  if (shards.empty()) shards.emplace_back();
  for (std::size_t i = 0; i < shards.size(); ++i) shards[i].name = shard_name(i, shards.size());
  return shards;
}

std::string shard_name(std::size_t index, std::size_t count) {
  if (count == 1) return "model.safetensors";
  std::array<char, 64> name{};
  std::snprintf(name.data(), name.size(), "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return name.data();
}

void order_within_shard(std::span<const PlannedTensor> tensors, std::vector<std::uint32_t>& shard) {
  const auto rank = [&](std::uint32_t i) {
    return is_aligned(tensors[i]) ? 1000u : dtype_bits(tensors[i].dtype);
  };
  std::stable_sort(shard.begin(), shard.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return rank(a) > rank(b); });
}

Result<std::string> shard_header(std::span<const PlannedTensor> tensors,
                                 std::span<const std::uint32_t> shard,
                                 std::span<const std::pair<std::string, std::string>> metadata,
                                 const std::string& name) {
  std::string header(8, '\0');
  header += "{\"__metadata__\":{\"format\":\"pt\"";
  for (const auto& [key, value] : metadata) {
    if (key == "format") continue;
    header += ',';
    json::append_string(header, key);
    header += ':';
    json::append_string(header, value);
  }
  header += '}';
  std::uint64_t at = 0;
  for (const std::uint32_t i : shard) {
    const PlannedTensor& tensor = tensors[i];
    header += ',';
    json::append_string(header, tensor.name);
    header += ":{\"dtype\":\"";
    header += dtype_name(tensor.dtype);
    header += "\",\"shape\":[";
    for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
      if (d != 0) header += ',';
      header += std::to_string(tensor.shape[d]);
    }
    header +=
        "],\"data_offsets\":[" + std::to_string(at) + ',' + std::to_string(at + tensor.size) + "]}";
    at += tensor.size;
  }
  header += '}';
  header.resize(round_up(header.size(), kAlignment), ' ');
  const std::uint64_t length = header.size() - 8;
  if (length > kMostHeaderBytes) {
    return fail(ErrorCode::input, {.file = name, .tensor = {}},
                "the output's header would be larger than readers accept, in bytes",
                std::to_string(length),
                "at most " + std::to_string(kMostHeaderBytes) +
                    " (a smaller --max-shard-size makes smaller headers)");
  }
  std::memcpy(header.data(), &length, sizeof length);
  return header;
}

}  // namespace thaw
