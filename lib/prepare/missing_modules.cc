#include "prepare/missing_modules.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace thaw {

namespace {

// The layers with one set of modules in one part.
struct Kind {
  ModuleSet modules;
  std::vector<std::uint64_t> layers;
};

std::vector<Kind> kinds_of(const std::map<std::uint64_t, ModuleSet>& sets) {
  std::map<ModuleSet, std::vector<std::uint64_t>> by_set;
  for (const auto& [layer, modules] : sets) by_set[modules].push_back(layer);
  std::vector<Kind> kinds;
  for (auto& [modules, layers] : by_set) kinds.push_back({modules, std::move(layers)});
  return kinds;
}

bool is_subset(const ModuleSet& small, const ModuleSet& large) {
  return small.size() < large.size() &&
         std::includes(large.begin(), large.end(), small.begin(), small.end());
}

// The kind that has all of this one's modules and more, and the most layers.
const Kind* fuller_kind(const std::vector<Kind>& kinds, const Kind& kind) {
  const Kind* fuller = nullptr;
  for (const Kind& other : kinds) {
    if (!is_subset(kind.modules, other.modules)) continue;
    if (fuller == nullptr || other.layers.size() > fuller->layers.size()) fuller = &other;
  }
  return fuller;
}

ModuleSet difference(const ModuleSet& large, const ModuleSet& small) {
  ModuleSet rest;
  std::set_difference(large.begin(), large.end(), small.begin(), small.end(),
                      std::inserter(rest, rest.end()));
  return rest;
}

std::string beside(std::string_view module, std::string_view name) {
  const std::string_view parent = parent_of(module);
  return parent.empty() ? std::string(name) : std::string(parent) + "." + std::string(name);
}

// Linears of one computation, none of which is ever left out alone.
bool has_partner(const ModuleSet& modules, std::string_view module) {
  struct Group {
    std::array<std::string_view, 3> names;
    std::size_t count;
  };
  constexpr std::array<Group, 4> kGroups = {{{{"gate_proj", "up_proj", "down_proj"}, 3},
                                             {{"w1", "w2", "w3"}, 3},
                                             {{"q_proj", "o_proj", ""}, 2},
                                             {{"gate_up_proj", "down_proj", ""}, 2}}};
  for (const Group& group : kGroups) {
    const auto end = group.names.begin() + static_cast<std::ptrdiff_t>(group.count);
    if (std::find(group.names.begin(), end, last_part(module)) == end) continue;
    if (std::any_of(group.names.begin(), end, [&](std::string_view name) {
          return name != last_part(module) && modules.count(beside(module, name)) != 0;
        })) {
      return true;
    }
  }
  return false;
}

bool has_sibling(const ModuleSet& modules, std::string_view module) {
  const std::string_view parent = parent_of(module);
  return std::any_of(modules.begin(), modules.end(),
                     [&](const std::string& other) { return parent_of(other) == parent; });
}

// Keys and values, that a layer may use of another one.
bool may_be_shared(const ModuleSet& modules, std::string_view module, const LayerRules& rules) {
  const std::string_view last = last_part(module);
  const bool key = last == "k_proj" || last == "k_norm";
  const bool value = last == "v_proj" || last == "v_norm";
  if (!key && !value) return false;
  if (value && rules.keys_are_values) return true;
  const bool both =
      modules.count(beside(module, "k_proj")) == 0 && modules.count(beside(module, "v_proj")) == 0;
  return both && rules.shares_keys_and_values;
}

// Modules of one part ("mlp") that layers lack, as names within the layer.
void compare_part(const std::map<std::uint64_t, ModuleSet>& sets, bool main,
                  const LayerRules& rules, std::map<std::uint64_t, ModuleSet>& lacking) {
  const std::vector<Kind> kinds = kinds_of(sets);
  for (const Kind& kind : kinds) {
    const Kind* fuller = fuller_kind(kinds, kind);
    if (fuller == nullptr) continue;
    const bool alone = kind.layers.size() == 1;
    const bool all_others = alone && fuller->layers.size() + 1 == sets.size() && sets.size() >= 3;
    for (const std::string& module : difference(fuller->modules, kind.modules)) {
      if (may_be_shared(kind.modules, module, rules)) continue;
      const bool by_partner = has_partner(kind.modules, module);
      const bool by_others = main && !rules.irregular &&
                             (all_others || (alone && fuller->layers.size() >= 2 &&
                                             has_sibling(kind.modules, module)));
      // With two layers, keys or values alone.
      const bool half = main && alone && !rules.shares_keys_and_values &&
                        (last_part(module) == "v_proj" || last_part(module) == "k_proj") &&
                        kind.modules.count(beside(
                            module, last_part(module) == "v_proj" ? "k_proj" : "v_proj")) != 0;
      if (!by_partner && !by_others && !half) continue;
      for (const std::uint64_t layer : kind.layers) lacking[layer].insert(module);
    }
  }
}

// A gate_proj and a down_proj without up_proj, though no layer has one.
void check_alone(const std::map<std::uint64_t, ModuleSet>& layers,
                 std::map<std::uint64_t, ModuleSet>& lacking) {
  for (const auto& [layer, modules] : layers) {
    for (const std::string& module : modules) {
      if (last_part(module) != "gate_proj") continue;
      const std::string up = beside(module, "up_proj");
      const std::string down = beside(module, "down_proj");
      const bool has_up = modules.count(up) != 0;
      if (has_up == (modules.count(down) != 0)) continue;
      lacking[layer].insert(has_up ? down : up);
    }
  }
}

// Parts that every model's layers have where one has them.
bool is_common_part(std::string_view part) {
  constexpr std::array<std::string_view, 16> kParts = {"self_attn",
                                                       "attn",
                                                       "attention",
                                                       "self_attention",
                                                       "mlp",
                                                       "feed_forward",
                                                       "ffn",
                                                       "block_sparse_moe",
                                                       "input_layernorm",
                                                       "post_attention_layernorm",
                                                       "pre_feedforward_layernorm",
                                                       "post_feedforward_layernorm",
                                                       "ln_1",
                                                       "ln_2",
                                                       "attention_norm",
                                                       "ffn_norm"};
  return std::find(kParts.begin(), kParts.end(), part) != kParts.end();
}

std::string_view first_part(std::string_view module) { return module.substr(0, module.find('.')); }

}  // namespace

std::vector<std::string> modules_layers_lack(const std::string& path, const LayerStack& stack,
                                             std::uint64_t count, bool main,
                                             const LayerRules& rules) {
  std::map<std::uint64_t, ModuleSet> layers;
  for (const auto& [layer, modules] : stack.layers) {
    if (layer < count) layers.emplace(layer, modules);
  }
  std::map<std::uint64_t, ModuleSet> parts;                              // of each layer
  std::map<std::string, std::map<std::uint64_t, ModuleSet>> modules_of;  // by part
  for (const auto& [layer, modules] : layers) {
    for (const std::string& module : modules) {
      const std::string part(first_part(module));
      parts[layer].insert(part);
      modules_of[part][layer].insert(module);
    }
  }
  std::map<std::uint64_t, ModuleSet> lacking;
  for (const auto& [part, sets] : modules_of) compare_part(sets, main, rules, lacking);
  check_alone(layers, lacking);
  if (main && !rules.irregular) {
    const std::vector<Kind> kinds = kinds_of(parts);
    for (const Kind& kind : kinds) {
      const Kind* fuller = fuller_kind(kinds, kind);
      if (fuller == nullptr || kind.layers.size() > std::max<std::size_t>(1, layers.size() / 8)) {
        continue;
      }
      for (const std::string& part : difference(fuller->modules, kind.modules)) {
        const bool all_others =
            fuller->layers.size() + kind.layers.size() == layers.size() && layers.size() >= 4;
        // ModernBERT's first layer has no norm in front of its attention.
        if (part == "attn_norm" || (!is_common_part(part) && !all_others)) continue;
        for (const std::uint64_t layer : kind.layers) lacking[layer].insert(part);
      }
    }
  }
  std::vector<std::string> names;
  for (const auto& [layer, modules] : lacking) {
    for (const std::string& module : modules) {
      names.push_back(path + "." + std::to_string(layer) + "." + module);
    }
  }
  return names;
}

std::vector<std::string> modules_experts_lack(const std::string& path,
                                              const ExpertModules& modules) {
  std::set<std::uint64_t> all;
  for (const auto& [module, experts] : modules) all.insert(experts.begin(), experts.end());
  std::vector<std::string> names;
  if (all.empty()) return names;
  // A number beyond any model's experts is no count.
  constexpr std::uint64_t kMostExperts = 100'000;
  const std::uint64_t last = *all.rbegin();
  for (std::uint64_t expert = 0; expert < std::min(last, kMostExperts); ++expert) {
    if (all.count(expert) == 0) names.push_back(path + "." + std::to_string(expert));
  }
  for (const auto& [module, experts] : modules) {
    if (experts.size() * 2 < all.size()) continue;  // a module that few experts have
    for (const std::uint64_t expert : all) {
      if (std::binary_search(experts.begin(), experts.end(), expert)) continue;
      names.push_back(path + "." + std::to_string(expert) + "." + module);
    }
  }
  return names;
}

}  // namespace thaw
