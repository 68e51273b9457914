#include "prepare/missing_parts.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <optional>

#include "base/text.h"
#include "prepare/layer_survey.h"
#include "prepare/missing_modules.h"

namespace thaw {

namespace {

constexpr std::size_t kMostNamed = 5;
constexpr std::uint64_t kMostLayers = 1'000'000;

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kMostNamed; ++i) {
    text += (i == 0 ? "" : ", ") + printable(names[i]);
  }
  if (names.size() > kMostNamed) {
    text += " and " + std::to_string(names.size() - kMostNamed) + " more";
  }
  return text;
}

std::string counted_tensors(std::size_t count, const char* one, const char* more) {
  return std::to_string(count) + " " + (count == 1 ? one : more);
}

// Whether some key of the config, at any depth, has that in its name and a value that is not 0,
// false, empty or null.
bool says(const json::Node& config, std::string_view word) {
  for (const auto& [key, value] : config.members) {
    if (key.find(word) != std::string::npos) {
      const bool nothing = value.kind == json::Kind::null ||
                           (value.kind == json::Kind::boolean && !value.boolean) ||
                           (value.kind == json::Kind::integer && value.integer == 0) ||
                           (value.kind == json::Kind::array && value.items.empty()) ||
                           (value.kind == json::Kind::object && value.members.empty());
      if (!nothing) return true;
    }
    if (says(value, word)) return true;
  }
  return false;
}

// Of the config's sections, that of the text model first.
std::vector<const json::Node*> text_sections(const json::Node& config) {
  constexpr std::array<std::string_view, 5> kNames = {
      "text_config", "llm_config", "language_config", "thinker_config", "text_model_config"};
  std::vector<const json::Node*> sections;
  for (const std::string_view name : kNames) {
    const json::Node* section = config.find(name);
    if (section == nullptr || !section->is_object()) continue;
    for (const json::Node* inner : text_sections(*section)) sections.push_back(inner);
  }
  sections.push_back(&config);
  return sections;
}

struct LayerCount {
  std::string key;
  std::uint64_t count = 0;
};

// The least of what the first section that counts layers says; nothing where none does.
std::optional<LayerCount> layer_count(const json::Node& config) {
  constexpr std::array<std::string_view, 4> kKeys = {"num_hidden_layers", "n_layer", "num_layers",
                                                     "n_layers"};
  for (const json::Node* section : text_sections(config)) {
    std::optional<LayerCount> least;
    for (const std::string_view key : kKeys) {
      const json::Node* node = section->find(key);
      const auto value = node != nullptr ? node->as_integer() : std::nullopt;
      if (!value || *value <= 0 || static_cast<std::uint64_t>(*value) > kMostLayers) continue;
      const auto count = static_cast<std::uint64_t>(*value);
      if (!least || count < least->count) least = LayerCount{std::string(key), count};
    }
    if (least) return least;
  }
  return std::nullopt;
}

bool is_encoder_decoder(const json::Node& config) {
  const json::Node* node = config.find("is_encoder_decoder");
  return node != nullptr && node->as_boolean().value_or(false);
}

// Numbers below the config's count (without one: below the highest) that no layer has.
std::string missing_layers(const std::string& path, const LayerStack& stack,
                           const std::optional<LayerCount>& said) {
  const std::uint64_t end = said ? said->count : stack.layers.rbegin()->first;
  std::vector<std::string> missing;
  std::uint64_t there = 0;
  for (std::uint64_t layer = 0; layer < std::min(end, kMostLayers); ++layer) {
    if (stack.layers.count(layer) == 0) {
      missing.push_back(std::to_string(layer));
    } else {
      ++there;
    }
  }
  if (missing.empty()) return {};
  std::string text = said ? "config.json says " + said->key + " " + std::to_string(said->count) +
                                ", but of " + printable(path) + " " + std::to_string(there) +
                                (there == 1 ? " is" : " are") + " there"
                          : "the layers of " + printable(path) + " have gaps";
  return text + "; missing: " + listed(missing);
}

// Shapes with a zero in them: what a quantizer leaves of a module that it dropped.
std::string empty_tensors(std::span<const ModelTensor> tensors) {
  std::vector<std::string> names;
  for (const ModelTensor& tensor : tensors) {
    if (std::find(tensor.shape.begin(), tensor.shape.end(), 0u) != tensor.shape.end()) {
      names.push_back(tensor.name);
    }
  }
  if (names.empty()) return {};
  return counted_tensors(names.size(), "tensor holds", "tensors hold") +
         " no values, with a 0 in the shape: " + listed(names);
}

// Whether a module of that last name, beside the layers, has a weight.
template <std::size_t count>
const ModelTensor* find_module(std::span<const ModelTensor> tensors,
                               const std::array<std::string_view, count>& names) {
  for (const ModelTensor& tensor : tensors) {
    const std::string_view name = tensor.name;
    if (!name.ends_with(".weight")) continue;
    const std::string_view module = last_part(parent_of(name));
    if (std::find(names.begin(), names.end(), module) != names.end()) return &tensor;
  }
  return nullptr;
}

// A head without the embeddings that readers want: quantizers keep one of two tied names.
std::string missing_embedding(std::span<const ModelTensor> tensors, const std::string& layers,
                              const json::Node& config) {
  constexpr std::array<std::string_view, 4> kHeads = {"lm_head", "embed_out", "output_layer",
                                                      "output"};
  constexpr std::array<std::string_view, 12> kEmbeddings = {
      "embed_tokens",   "wte",         "word_embeddings", "tok_embeddings",
      "embed_in",       "embedding",   "embeddings",      "embed",
      "word_embedding", "token_embed", "embed_tokens_s",  "tokens_embed"};
  const ModelTensor* head = find_module(tensors, kHeads);
  if (head == nullptr || find_module(tensors, kEmbeddings) != nullptr) return {};
  bool tied = false;
  for (const json::Node* section : text_sections(config)) {
    const json::Node* node = section->find("tie_word_embeddings");
    if (node != nullptr && node->as_boolean()) tied = *node->as_boolean();
  }
  const std::string parent(parent_of(layers));
  const std::string name = (parent.empty() ? "" : parent + ".") + "embed_tokens.weight";
  return "the embeddings are missing (" + printable(name) + " or the like)" +
         (tied ? ", only " + printable(head->name) +
                     " is there, which tie_word_embeddings makes the same: readers look for the "
                     "embeddings"
               : ", though " + printable(head->name) + " is there");
}

// The name without what wraps a model in another one: "layers.0.mlp" of
// "model.language_model.layers.0.mlp".
std::string_view without_wrappers(std::string_view name) {
  constexpr std::array<std::string_view, 6> kWrappers = {
      "model.", "language_model.", "base_model.", "module.", "transformer.", "llm."};
  while (true) {
    const auto wrapper =
        std::find_if(kWrappers.begin(), kWrappers.end(),
                     [&](std::string_view word) { return name.starts_with(word); });
    if (wrapper == kWrappers.end()) return name;
    name.remove_prefix(wrapper->size());
  }
}

// The same module of a layer under two prefixes, with one shape.
std::string repeated_modules(std::span<const ModelTensor> tensors) {
  std::map<std::string_view, const ModelTensor*> known;
  std::vector<std::string> names;
  std::string other;
  for (const ModelTensor& tensor : tensors) {
    const std::string_view core = without_wrappers(tensor.name);
    if (core.find_first_of("0123456789") == std::string_view::npos) continue;
    const auto [at, added] = known.emplace(core, &tensor);
    if (added || at->second->shape != tensor.shape) continue;
    if (names.empty()) other = at->second->name;
    names.push_back(tensor.name);
  }
  if (names.empty()) return {};
  return counted_tensors(names.size(), "tensor is", "tensors are") +
         " there under two prefixes: " + printable(names.front()) + " is " + printable(other) +
         " too";
}

std::string lacking_text(const std::vector<std::string>& names, const char* others) {
  if (names.empty()) return {};
  return counted_tensors(names.size(), "module", "modules") + " that other " + others +
         (names.size() == 1 ? " have is" : " have are") + " missing: " + listed(names);
}

}  // namespace

std::vector<std::string> find_missing_parts(std::span<const ModelTensor> tensors,
                                            const json::Node& config) {
  std::vector<std::string> found;
  const auto add = [&](std::string text) {
    if (!text.empty()) found.push_back(std::move(text));
  };
  const LayerSurvey survey = survey_layers(tensors);
  const std::string main(main_stack(survey));
  const bool two_stacks = is_encoder_decoder(config);
  const std::optional<LayerCount> said = two_stacks ? std::nullopt : layer_count(config);
  if (!main.empty() && !two_stacks) {
    add(missing_layers(main, survey.stacks.find(main)->second, said));
  }
  constexpr std::array<std::string_view, 6> kSharing = {"kv_shared",  "share_kv", "shared_kv",
                                                        "kv_sharing", "use_cla",  "reuse_kv"};
  const LayerRules rules{.shares_keys_and_values =
                             std::any_of(kSharing.begin(), kSharing.end(),
                                         [&](std::string_view word) { return says(config, word); }),
                         .keys_are_values = says(config, "k_eq_v"),
                         .irregular = says(config, "block_configs") || two_stacks};
  std::vector<std::string> lacking;
  for (const auto& [path, stack] : survey.stacks) {
    const bool is_main = path == main;
    const std::uint64_t count =
        is_main && said ? said->count : std::numeric_limits<std::uint64_t>::max();
    const std::vector<std::string> names = modules_layers_lack(path, stack, count, is_main, rules);
    lacking.insert(lacking.end(), names.begin(), names.end());
  }
  add(lacking_text(lacking, "layers"));
  std::vector<std::string> of_experts;
  for (const auto& [path, modules] : survey.experts) {
    const std::vector<std::string> names = modules_experts_lack(path, modules);
    of_experts.insert(of_experts.end(), names.begin(), names.end());
  }
  add(lacking_text(of_experts, "experts"));
  add(empty_tensors(tensors));
  if (!main.empty() && !two_stacks) add(missing_embedding(tensors, main, config));
  add(repeated_modules(tensors));
  return found;
}

}  // namespace thaw
