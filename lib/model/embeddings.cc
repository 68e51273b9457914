#include "model/embeddings.h"

#include <algorithm>
#include <array>

namespace thaw {

namespace {

constexpr std::string_view kTie = "tie_word_embeddings";

// As transformers, Qwen's, Falcon's and ChatGLM's code call them.
constexpr std::array<std::string_view, 4> kHeads = {"lm_head", "embed_out", "output",
                                                    "output_layer"};
constexpr std::array<std::string_view, 6> kEmbeddings = {
    "embed_tokens", "wte", "tok_embeddings", "word_embeddings", "embed_in", "embedding"};

template <typename Names>
bool has_last_part_in(const Names& names, std::string_view module) {
  const std::string_view last = module.substr(module.rfind('.') + 1);
  return std::find(names.begin(), names.end(), last) != names.end();
}

std::optional<bool> find_tie(const json::Node& node, int levels) {
  if (const json::Node* tie = node.find(kTie); tie != nullptr && tie->as_boolean()) {
    return tie->as_boolean();
  }
  if (levels == 0) return std::nullopt;
  for (const auto& [key, member] : node.members) {
    if (!member.is_object()) continue;
    if (const std::optional<bool> tie = find_tie(member, levels - 1)) return tie;
  }
  return std::nullopt;
}

}  // namespace

std::optional<bool> ties_embeddings(const json::Node& config) { return find_tie(config, 2); }

bool is_output_head(std::string_view module) { return has_last_part_in(kHeads, module); }

bool is_token_embedding(std::string_view module) { return has_last_part_in(kEmbeddings, module); }

}  // namespace thaw
