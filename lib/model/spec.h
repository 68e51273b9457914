// Declarative descriptions of model architectures: where the blocks are, and which tensors of a
// block belong together. Format: specs/models.md. A key that a later version adds is one more
// member here and one more line in parse.cc.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "io/file_system.h"

namespace thaw {

// The activation in front of a linear divides by `scales`, and the linear's weight was multiplied
// by them: dividing its input columns gives the original linear. Names within a block; a '#' of
// `divides` is the number that stands for the same '#' of `scales`.
struct ActivationScales {
  std::string scales;   // "mlp.act.scales", a tensor
  std::string divides;  // "mlp.c_proj", one of ModelSpec::linears
};

// AWQ divides what `module` gives by a scale per channel, and multiplies the input columns of
// `linears` by it. Names within a block.
struct Absorbs {
  std::string module;                // "input_layernorm"
  std::vector<std::string> linears;  // "self_attn.q_proj", those that read what it gives
  double offset = 0;                 // 1 where the model computes with weight + 1 (Gemma's norms)
};

// The parameters of all experts in one, where an architecture fuses them: within
// ExpertForm::module.
inline constexpr std::string_view kGateUpName = "gate_up_proj";
inline constexpr std::string_view kDownName = "down_proj";

// How the float checkpoints of an architecture hold the experts of a block.
struct ExpertForm {
  std::string module;  // "mlp.experts"
  // Names of one expert's linears: the architecture's own, then those that quantizers give them.
  std::vector<std::string> gate;
  std::vector<std::string> up;
  std::vector<std::string> down;
  bool fused = false;        // kGateUpName [E, 2N, K] and kDownName [E, K, N], else one by one
  bool transposed = false;   // fused, with the last two dimensions exchanged
  bool biases = false;       // fused, with kGateUpName_bias [E, 2N] and kDownName_bias [E, K]
  bool interleaved = false;  // fused, gate and up row by row; else all gate rows come first
  std::vector<std::string> count;  // keys of config.json, with dots: the number of experts
};

// A '#' in the name of a module stands for any number: "mlp.experts.#.up_proj".
struct ModelSpec {
  std::string file;  // path, for messages
  std::string name;  // the file's name without .json
  std::vector<std::string> model_types;
  std::vector<std::string> layers;       // spellings of the path: "model.layers"
  std::vector<std::string> layer_count;  // keys of config.json, with dots: "num_hidden_layers"
  std::vector<std::string> linears;      // of a block: "self_attn.q_proj"
  std::vector<std::string> floats;       // modules of a block that are never packed: its norms
  std::vector<std::string> optional;     // of linears and floats: those that a block may lack
  std::vector<Absorbs> absorbs;
  std::vector<ActivationScales> activation_scales;
  // Spellings of the parts beside the blocks, each list one part: {"visual", "model.visual"}.
  std::vector<std::vector<std::string>> prefixes;
  // Keys of config.json: how many blocks that predict further tokens follow behind the others.
  std::vector<std::string> extra_layer_count = {};
  std::optional<ExpertForm> experts = {};
};

// A tensor of a block, found by its name: "model.layers.12.mlp.act.scales" is block
// "model.layers.12" and member "mlp.act.scales". Views into the name.
struct BlockMember {
  std::string_view block;
  std::string_view member;
};

// Whether the name lies in a block of that spec; an empty block when it does not.
[[nodiscard]] BlockMember find_block(const ModelSpec& spec, std::string_view tensor);

// The linear of a block whose input columns the scales `member` divide, by a rule of the spec: of
// "mlp.experts.3.act.scales", "mlp.experts.3.down_proj". Empty when no rule names them.
[[nodiscard]] std::string divided_linear(const ModelSpec& spec, std::string_view member);

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
