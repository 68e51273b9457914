// Names of tensors within the blocks that a checkpoint was found to have. Private to lib/plan.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "checkpoint/checkpoint.h"
#include "model/blocks.h"

namespace thaw {

// Of "model.layers.12.mlp.up_proj.weight": "12" and "mlp.up_proj.weight". Views into the name.
struct Member {
  std::string_view layer;  // as it is spelled
  std::string_view name;   // empty: the tensor lies in no block
  std::uint64_t number = 0;
};

[[nodiscard]] Member member_of(const Blocks& blocks, std::string_view tensor);

// The name that a member has in these blocks.
[[nodiscard]] std::string name_in(const Blocks& blocks, const Member& member);

// With the blocks that predict further tokens.
[[nodiscard]] inline std::uint64_t total(const Blocks& blocks) {
  return blocks.count + blocks.extra;
}

// Whether a tensor of a block is a buffer: what a model computes anew, so that one checkpoint may
// hold it and another not. specs/overlay.md clause 3.4.
[[nodiscard]] bool is_block_buffer(const Tensor& tensor);

}  // namespace thaw
