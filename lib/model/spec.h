// Declarative descriptions of model architectures: where the blocks are, and which tensors of a
// block belong together. Format: specs/models.md. A key that a later version adds is one more
// member here and one more line in spec.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "io/file_system.h"

namespace thaw {

// The activation in front of a linear divides by `scales`, and the linear's weight was multiplied
// by them: dividing its input columns gives the original linear. Names within a block.
struct ActivationScales {
  std::string scales;   // "mlp.act.scales", a tensor
  std::string divides;  // "mlp.c_proj", one of ModelSpec::linears
};

struct ModelSpec {
  std::string file;  // path, for messages
  std::string name;  // the file's name without .json
  std::vector<std::string> model_types;
  std::vector<std::string> layers;   // spellings of the path: "model.layers"
  std::vector<std::string> linears;  // of a block: "self_attn.q_proj"
  std::vector<ActivationScales> activation_scales;
};

// A tensor of a block, found by its name: "model.layers.12.mlp.act.scales" is block
// "model.layers.12" and member "mlp.act.scales". Views into the name.
struct BlockMember {
  std::string_view block;
  std::string_view member;
};

// Whether the name lies in a block of that spec; an empty block when it does not.
[[nodiscard]] BlockMember find_block(const ModelSpec& spec, std::string_view tensor);

// `file` is a path, for messages and the name. Errors, all at once: ErrorCode::input.
[[nodiscard]] Result<ModelSpec> parse_model_spec(const std::string& file, std::string_view text);
[[nodiscard]] Result<ModelSpec> load_model_spec(FileSystem& file_system, const std::string& path);
// Every *.json of the directory, in the order of their names. Errors as above, and where two specs
// serve one model type.
[[nodiscard]] Result<std::vector<ModelSpec>> load_model_specs(FileSystem& file_system,
                                                              const std::string& directory);

// The spec that serves a model type; null when none does. Types are compared as they are.
[[nodiscard]] const ModelSpec* find_model_spec(std::span<const ModelSpec> specs,
                                               std::string_view model_type);

}  // namespace thaw
