// What the files beside the weights are, by their names. specs/checkpoint.md clause 4. Internal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace thaw {

enum class FileRole : std::uint8_t {
  side_file,   // travels with the model, whatever its ending: spk_dict.pt, tokenizer.json
  other_form,  // the same model's weights in another form, or the state of its training
  adapter,     // weights of an adapter, or adapter_config.json
};

// `name` without its folder; `folder` is the path below the model directory, empty at its top.
// Letters' case does not matter.
[[nodiscard]] FileRole role_of(std::string_view name, std::string_view folder);

// Whether a file's name says that it holds the blocks that predict further tokens: mtp.safetensors.
[[nodiscard]] bool names_prediction_blocks(std::string_view name);

[[nodiscard]] std::string lowered_name(std::string_view text);

}  // namespace thaw
