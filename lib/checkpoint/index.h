// model.safetensors.index.json: which shard holds which tensor. specs/checkpoint.md clause 3.
// Internal.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"

namespace thaw {

// The names of the shards in the index, safe as file names, each once, in natural order. `path` is
// for messages, `text` the file.
[[nodiscard]] Result<std::vector<std::string>> shards_of_index(std::string_view path,
                                                               std::string_view text);

// Whether the index lists every tensor of the shards exactly once and where it is. The tensors
// are sorted by name; `text` has passed shards_of_index().
[[nodiscard]] Status check_index(std::string_view path, std::string_view text,
                                 std::span<const Shard> shards, std::span<const Tensor> tensors);

}  // namespace thaw
