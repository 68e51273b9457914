// The layers of a model by the names of its tensors: which modules each has. Internal to the check
// of missing parts.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "prepare/missing_parts.h"

namespace thaw {

// Modules of one layer, as names within it; a number in them (of an expert) is '#'.
using ModuleSet = std::set<std::string, std::less<>>;

// A path in front of numbers, "model.layers", and what stands behind each.
struct LayerStack {
  std::map<std::uint64_t, ModuleSet> layers;
  std::uint64_t packed = 0;  // packed modules in it
  std::uint64_t tensors = 0;
};

// Experts of one layer: by module within an expert, which experts have it, in rising order.
using ExpertModules = std::map<std::string, std::vector<std::uint64_t>, std::less<>>;

struct LayerSurvey {
  std::map<std::string, LayerStack, std::less<>> stacks;      // by path
  std::map<std::string, ExpertModules, std::less<>> experts;  // by path: model.layers.3.mlp.experts
};

// A module is what has a `weight`, or a parameter of two dimensions or more by its own name.
[[nodiscard]] LayerSurvey survey_layers(std::span<const ModelTensor> tensors);

// The path of the text model's layers: of the stacks called layers, blocks or h that belong to no
// encoder of pictures or sound, the one with the most packed modules. Empty: there is none.
[[nodiscard]] std::string_view main_stack(const LayerSurvey& survey);

// "x" of "a.x", and the name itself where there is no dot.
[[nodiscard]] std::string_view last_part(std::string_view name);
// "a" of "a.x"; empty where there is no dot.
[[nodiscard]] std::string_view parent_of(std::string_view name);

}  // namespace thaw
