// The bytes of a small tensor, for the few decisions that its shape leaves open. Internal to
// lib/quant.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "checkpoint/checkpoint.h"

namespace thaw {

// Calls function(bytes) for one part of the tensor after the other, each a multiple of 8 bytes but
// for the last, and lets the pages go again: checking every module of a large model must not keep
// them all. Read without read-ahead, which through the mapping would bring in 8 MiB around each of
// thousands of small tensors. Below a page nothing is let go: many such tensors share one.
template <typename Function>
Status with_content(const Checkpoint& checkpoint, const Tensor& tensor, const Function& function) {
  constexpr std::uint64_t kStep = std::uint64_t{4} << 20;
  constexpr std::uint64_t kPage = 4096;
  const MappedFile& file = checkpoint.shards()[tensor.shard].file;
  const std::span<const std::byte> bytes = checkpoint.bytes(tensor);
  for (std::uint64_t at = 0; at < bytes.size(); at += kStep) {
    const std::uint64_t size = std::min<std::uint64_t>(kStep, bytes.size() - at);
    THAW_RETURN_IF_ERROR(file.read_exactly(tensor.begin + at, size));
    function(bytes.subspan(at, size));
    if (file.damaged()) return file.check_unchanged();
    if (bytes.size() < kPage) continue;
    const std::uint64_t first = round_down(tensor.begin + at, kStep);
    const std::uint64_t end = round_up(tensor.begin + at + size, kStep);
    file.unmap_pages(first, end - first);
    file.drop_cache(first, end - first);
  }
  return {};
}

}  // namespace thaw
