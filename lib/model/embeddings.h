// The two ends of a language model: the embeddings and the head, and whether they are one weight.
#pragma once

#include <optional>
#include <string_view>

#include "json/node.h"

namespace thaw {

// tie_word_embeddings of a config.json: at its top, else in the part that describes the language
// model (one or two levels down). Nothing where no boolean of that name stands there.
[[nodiscard]] std::optional<bool> ties_embeddings(const json::Node& config);

// By the last part of a module's name: "lm_head", "embed_out".
[[nodiscard]] bool is_output_head(std::string_view module);
// "model.embed_tokens", "transformer.wte".
[[nodiscard]] bool is_token_embedding(std::string_view module);

}  // namespace thaw
