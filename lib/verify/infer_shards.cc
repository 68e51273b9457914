#include "verify/infer_shards.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/text.h"

namespace thaw {

std::optional<std::uint64_t> shard_size_of(const Checkpoint& out) {
  if (out.shards().size() < 2) return std::nullopt;
  std::vector<const Tensor*> tensors;
  for (const Tensor& tensor : out.tensors()) tensors.push_back(&tensor);
  std::sort(tensors.begin(), tensors.end(),
            [](const Tensor* a, const Tensor* b) { return natural_less(a->name, b->name); });
  // A shard of several tensors fits; one more tensor would not have.
  std::uint64_t least = 1;
  std::uint64_t beyond = std::numeric_limits<std::uint64_t>::max();
  std::vector<bool> closed(out.shards().size(), false);
  for (std::size_t i = 0; i < tensors.size();) {
    const std::uint32_t shard = tensors[i]->shard;
    if (closed[shard]) return std::nullopt;
    closed[shard] = true;
    std::uint64_t bytes = 0;
    std::size_t count = 0;
    for (; i < tensors.size() && tensors[i]->shard == shard; ++i, ++count) {
      bytes += tensors[i]->size();
    }
    if (count > 1) least = std::max(least, bytes);
    if (i < tensors.size()) beyond = std::min(beyond, bytes + tensors[i]->size());
  }
  return least < beyond ? std::optional(least) : std::nullopt;
}

}  // namespace thaw
