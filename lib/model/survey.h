// What the names of a checkpoint's tensors show of its architecture. Internal to lib/model.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace thaw {

// "model.layers", and the numbers that stand below it. No path where no name has a number.
struct LayerPath {
  std::string path;
  std::set<std::uint64_t> numbers;
};
[[nodiscard]] LayerPath find_layer_path(const Checkpoint& checkpoint);

// The keys of config.json that say the number of blocks, and what they say. `extra` blocks are
// not counted by them.
struct LayerCounts {
  std::vector<std::string> keys;
  std::vector<std::string> extra_keys;
  std::uint64_t extra = 0;
};
[[nodiscard]] LayerCounts find_layer_counts(const json::Node& config, std::uint64_t blocks);

// One module of a block, '#' where a number stands.
struct BlockModule {
  bool packed = false;             // has a quantized weight
  bool matrix = false;             // has a weight of two dimensions
  bool experts = false;            // has a tensor of three dimensions
  bool only_scales = true;         // has nothing but scales: those of an activation
  std::set<std::uint64_t> blocks;  // that have it
};
// The modules of the first `count` blocks, by name.
[[nodiscard]] std::map<std::string, BlockModule> find_modules(const Checkpoint& checkpoint,
                                                              const std::string& path,
                                                              std::uint64_t count);

// The parts beside the blocks: the shortest prefixes of names that do not begin `path`.
[[nodiscard]] std::set<std::string> find_parts(const Checkpoint& checkpoint,
                                               const std::string& path);

}  // namespace thaw
