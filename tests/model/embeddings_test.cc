// specs/overlay.md clauses 8.4 and 8.6: both ends of a language model.
#include "model/embeddings.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>

namespace thaw {
namespace {

std::optional<bool> tie_of(const std::string& config) {
  return ties_embeddings(json::parse("config.json", config, {}).value());
}

TEST_CASE("ties_embeddings: the top of the config, else the nearest object that says it") {
  CHECK(tie_of(R"({"tie_word_embeddings": true})") == true);
  CHECK(tie_of(R"({"tie_word_embeddings": false, "text_config": {"tie_word_embeddings": true}})") ==
        false);
  CHECK(tie_of(R"({"text_config": {"tie_word_embeddings": true}})") == true);
  CHECK(tie_of(R"({"a": {"text_config": {"tie_word_embeddings": false}}})") == false);
  CHECK(tie_of(R"({"a": {"b": {"c": {"tie_word_embeddings": true}}}})") == std::nullopt);
  CHECK(tie_of(R"({"tie_word_embeddings": null, "t": {"tie_word_embeddings": true}})") == true);
  CHECK(tie_of(R"({"tie_word_embeddings": "yes"})") == std::nullopt);
  CHECK(tie_of("{}") == std::nullopt);
  CHECK(tie_of("[1]") == std::nullopt);
}

TEST_CASE("heads and embeddings by the last part of their name") {
  for (const char* head : {"lm_head", "model.lm_head", "embed_out", "transformer.output_layer"}) {
    CHECK(is_output_head(head));
    CHECK_FALSE(is_token_embedding(head));
  }
  for (const char* embedding : {"model.embed_tokens", "transformer.wte", "gpt_neox.embed_in"}) {
    CHECK(is_token_embedding(embedding));
    CHECK_FALSE(is_output_head(embedding));
  }
  for (const char* other : {"lm_head.0", "model.norm", "model.embed_tokens_per_layer", ""}) {
    CHECK_FALSE(is_output_head(other));
    CHECK_FALSE(is_token_embedding(other));
  }
}

}  // namespace
}  // namespace thaw
