// Weights at the top of a model directory that nothing names: blocks for predicting further tokens
// that the config speaks of, and what else lies there. specs/checkpoint.md clause 2.8. Internal.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "io/file_system.h"
#include "json/node.h"

namespace thaw {

// Whether the config says that the model has blocks which predict further tokens.
[[nodiscard]] bool has_prediction_blocks(const json::Node& config);

enum class CompanionKind : std::uint8_t {
  part,      // blocks that the config speaks of: a shard like the others
  unnamed,   // such blocks, of which the config says nothing
  repeated,  // holds tensors that the model has
  packed,    // holds quantized weights
  separate,  // weights of something else, or no safetensors file
};

// What the .safetensors file `name` beside the shards is; `tensors` are the model's, sorted by
// name. `expected`: what has_prediction_blocks() says. Errors: ErrorCode::input, io: it is a part,
// and damaged.
[[nodiscard]] Result<CompanionKind> companion_kind(FileSystem& file_system,
                                                   const std::string& directory,
                                                   const std::string& name,
                                                   std::span<const Tensor> tensors, bool expected);

}  // namespace thaw
