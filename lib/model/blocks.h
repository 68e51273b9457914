// Where the blocks of a checkpoint are: which of its spec's spellings it uses, and how many layers
// there must be. specs/models.md clause 3.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "model/spec.h"

namespace thaw {

struct Blocks {
  std::string path;         // the spelling this checkpoint uses: "model.language_model.layers"
  std::uint64_t count = 0;  // 0, 1, ..., count - 1 are all there
  // Blocks that follow them, count, count + 1, ...: those that predict further tokens, which many
  // checkpoints lack. No others are there.
  std::uint64_t extra = 0;
};

// Errors, all at once, ErrorCode::input: no spelling of the spec is used, or more than one; the
// numbers of the layers have a gap; their count is not what the config says (where it says it).
// Where the config does not say it, all blocks count and none is extra.
[[nodiscard]] Result<Blocks> locate_blocks(const ModelSpec& spec, const Checkpoint& checkpoint);

// The module of a block that a member belongs to, as spec.linears or spec.floats name it (with '#'
// where a number stands): of "mlp.experts.3.up_proj.qweight", "mlp.experts.#.up_proj"; or the
// member itself where they name it: a parameter that lies in no module, such as "layer_scalar".
// Empty when the spec names none. A view into the spec.
[[nodiscard]] std::string_view spec_module(const ModelSpec& spec, std::string_view member);

// Every name that the same tensor may have in another checkpoint: of "visual.x", with the prefixes
// {"visual", "model.visual"}, also "model.visual.x". Blocks too. The name itself comes first, then
// the others in the order of the spec. The longest prefix of the name decides.
[[nodiscard]] std::vector<std::string> spellings(const ModelSpec& spec, std::string_view name);

}  // namespace thaw
