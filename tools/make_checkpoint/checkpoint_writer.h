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

// What is written of the tensors.
enum class Density : std::uint8_t {
  whole,
  sparse,  // the structural ones; the others are holes, which read as zeros and take no disk
};

class CheckpointWriter {
 public:
  CheckpointWriter(std::string directory, const std::string& float_dtype, Density density)
      : directory_(std::move(directory)), filler_(float_dtype), density_(density) {}

  // model.safetensors, or model-i-of-n.safetensors and the index. Throws std::system_error.
  void write_shards(std::vector<ShardPlan> shards);
  void write_text(const std::string& name, const std::string& text) const;

 private:
  void write_shard(const std::string& name, const ShardPlan& tensors) const;
  [[nodiscard]] bool is_hole(const TensorSpec& tensor) const {
    return density_ == Density::sparse && !tensor.structural();
  }

  std::string directory_;
  Filler filler_;
  Density density_;
};

}  // namespace thaw::tools
