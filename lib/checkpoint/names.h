// File names: which are safe, which mean weights, which belong to the checkpoint itself.
// specs/checkpoint.md clauses 2 and 4. Internal.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace thaw {

constexpr std::string_view kConfigName = "config.json";
constexpr std::string_view kIndexName = "model.safetensors.index.json";
constexpr std::string_view kSingleName = "model.safetensors";
constexpr std::string_view kWeightEnding = ".safetensors";

[[nodiscard]] std::string join_path(std::string_view directory, std::string_view name);

// Why `name` cannot be the name of a file in a directory that we read or write: "is empty",
// "holds a control character", ...; nothing when it can.
[[nodiscard]] std::optional<std::string_view> name_flaw(std::string_view name);

// Weights in any format that we know of, and the indexes of such: by the ending, in any case.
[[nodiscard]] bool is_weight_name(std::string_view name);
// quant_config.json, its two other spellings and hf_quant_config.json, in the order in which they
// are looked for.
[[nodiscard]] std::span<const std::string_view> quantization_names();
// Files that describe how the model was quantized, and what an interrupted run of ours left.
[[nodiscard]] bool is_left_behind(std::string_view name);

}  // namespace thaw
