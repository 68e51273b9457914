// Shards, index and the small files, written one buffer at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fill.h"
#include "tensor.h"

namespace thaw::tools {

// Which tensors go to one file.
using ShardPlan = std::vector<TensorSpec>;

class CheckpointWriter {
 public:
  CheckpointWriter(std::string directory, const std::string& float_dtype)
      : directory_(std::move(directory)), filler_(float_dtype) {}

  // model.safetensors, or model-i-of-n.safetensors and the index. Throws std::system_error.
  void write_shards(std::vector<ShardPlan> shards);
  void write_text(const std::string& name, const std::string& text) const;

 private:
  void write_shard(const std::string& name, const ShardPlan& tensors) const;

  std::string directory_;
  Filler filler_;
};

}  // namespace thaw::tools
