// specs/overlay.md clauses 3.4, 4.8 and 8. Bits and messages of whole runs: tests/cli.
#include "plan/outer_linears.h"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "plan/block_member.h"
#include "support/overlay_pair.h"

namespace thaw {
namespace {

using testing::add_float;
using testing::add_gemm;
using testing::base_tensors;
using testing::drop;
using testing::named;
using testing::Pair;
using testing::quantized_tensors;
using testing::Tensors;

using Names = std::vector<std::string>;

constexpr const char* kTied = R"({"model_type": "toy", "tie_word_embeddings": true})";
constexpr const char* kUntied = R"({"model_type": "toy"})";

Tensors with_head(bool embedding = false) {
  Tensors tensors = quantized_tensors();
  drop(tensors, "lm_head.weight");
  add_gemm(tensors, "lm_head", 64, 16, 32, 21);
  if (embedding) add_gemm(tensors, "model.embed_tokens", 64, 16, 32, 23);
  return tensors;
}

Tensors base_with_ends() {
  Tensors tensors = base_tensors();
  named(tensors, "lm_head.weight").shape = {16, 64};
  add_float(tensors, "model.embed_tokens.weight", {16, 64});
  return tensors;
}

TEST_CASE("names_module: whole parts of a module's name") {
  struct Row {
    const char* name;
    const char* module;
    bool named;
  };
  for (const Row& row :
       {Row{"lm_head", "lm_head", true}, Row{"head", "lm_head", false}, Row{"lm", "lm_head", false},
        Row{"embed", "model.embed.x", true}, Row{"model.embed", "model.embed.x", true},
        Row{"embed.x", "model.embed.x", true}, Row{"a", "aa.a", true}, Row{"a", "aa.ba", false},
        Row{"model.x", "model.embed.x", false}}) {
    CAPTURE(std::string(row.name));
    CAPTURE(std::string(row.module));
    CHECK(names_module(row.name, row.module) == row.named);
  }
}

TEST_CASE("modules outside of the blocks go where they are asked to") {
  const Pair pair({base_with_ends()}, with_head(true), kUntied);
  const Names head = {"lm_head"};
  const Names embedding = {"embed_tokens"};
  const auto made = pair.overlay(head, embedding);
  REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().text()));
  const Overlay& overlay = made.value();
  CHECK(pair.source(overlay, "lm_head.weight") == "packed lm_head");
  CHECK(pair.source(overlay, "model.embed_tokens.weight") == "its own");
  REQUIRE(overlay.taken.size() == 1);
  CHECK(overlay.taken[0].base->name == "lm_head.weight");
  CHECK(overlay.left == std::vector<std::string_view>{"model.embed_tokens"});
  CHECK(overlay.replaced == 7);
  CHECK(overlay.kept == 2);

  const Names both = {"lm_head", "model"};
  CHECK(pair.overlay(both).value().taken.size() == 2);
  CHECK(pair.overlay({}, both).value().left.size() == 2);
  CHECK(pair.overlay().error().messages.size() == 2);
}

TEST_CASE("a bias goes with the module that is taken") {
  const Names head = {"lm_head"};
  for (const bool in_base : {false, true}) {
    for (const bool in_quantized : {false, true}) {
      Tensors base = base_with_ends();
      Tensors quantized = with_head();
      if (in_base) add_float(base, "lm_head.bias", {16});
      if (in_quantized) add_float(quantized, "lm_head.bias", {16}, Dtype::f16);
      const Pair pair({base}, quantized, kUntied);
      const auto made = pair.overlay(head);
      CHECK(made.ok() == (!in_base || in_quantized));
      if (!made.ok()) continue;
      CHECK(made.value().biases_left_out.size() == (in_quantized && !in_base ? 1 : 0));
      if (in_base) CHECK(pair.source(made.value(), "lm_head.bias") == "lm_head.bias");
    }
  }
}

TEST_CASE("what cannot be taken is refused with the reason") {
  struct Row {
    const char* name;
    const char* base_config;
    const char* take;
    std::string reason;  // empty: it is taken
  };
  for (const Row& row :
       {Row{"untied", kUntied, "lm_head", ""},
        Row{"a tied head", kTied, "lm_head", "ties its head"},
        Row{"a tied embedding beside a head", kTied, "embed_tokens", "a head of its own"},
        Row{"a word that means nothing", kUntied, "lm-head", "names no quantized module"},
        Row{"one of a stack", kUntied, "tower", "one of the layers at tower.layers"},
        Row{"without a place", kUntied, "lonely", "the base has no lonely.weight"}}) {
    CAPTURE(std::string(row.name));
    Tensors quantized = with_head(true);
    add_gemm(quantized, "tower.layers.0.up", 64, 32, 32, 31);
    add_gemm(quantized, "lonely", 64, 32, 32, 35);
    const Pair pair({base_with_ends()}, quantized, row.base_config);
    const Names take = {row.take};
    Names leave;
    for (const char* module : {"lm_head", "embed_tokens", "tower", "lonely"}) {
      if (std::string(row.take) != module) leave.emplace_back(module);
    }
    const auto made = pair.overlay(take, leave);
    CHECK(made.ok() == row.reason.empty());
    if (made.ok()) continue;
    CHECK(made.error().code == ErrorCode::input);
    CHECK(made.error().messages.size() == 1);
    CHECK_MESSAGE(made.error().text().find(row.reason) != std::string::npos, made.error().text());
  }
}

TEST_CASE("padded weights: one entry a module, whatever its blocks, and both sizes") {
  Tensors base = base_tensors();
  Tensors quantized = quantized_tensors();
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    const std::string prefix(layer);
    named(base, prefix + "up.weight").shape = {24, 64};
    drop(base, prefix + "up.bias");
    drop(quantized, prefix + "up.bias");
    add_float(base, prefix + "router.weight", {4, 60});
    add_float(quantized, prefix + "router.weight", {4, 64});
  }
  const char* base_config = R"({"model_type": "toy", "text_config": {"intermediate_size": 12}})";
  const char* config =
      R"({"model_type": "toy", "text_config": {"intermediate_size": 16}, "quantization_config": )"
      R"({"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm"}})";
  const Pair pair({base}, quantized, base_config, config);
  const auto made = pair.overlay();
  REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().text()));
  const std::vector<PaddedModule>& padded = made.value().padded;
  REQUIRE(padded.size() == 2);
  CHECK(padded[0].member == "router.weight");
  CHECK(padded[0].linear == nullptr);
  CHECK(padded[0].axis == 1);
  CHECK(padded[1].member == "up.weight");
  CHECK(padded[1].linear != nullptr);
  CHECK(padded[1].axis == 0);
  CHECK(padded[1].tensors == 2);
  CHECK(padded[1].added() == 8);
  const Status refused = refuse_padded(padded[1], *pair.base, *pair.quantized, "all of it");
  const std::string text = refused.error().text();
  for (const char* part :
       {"model.layers.0.up.weight", "[32, 64]", "[24, 64]", "1 more", "all of it",
        "intermediate_size is 16 in its config.json and 12 in the base's"}) {
    CHECK_MESSAGE(text.find(part) != std::string::npos, text);
  }
}

TEST_CASE("is_padded: one dimension of several is larger") {
  using Shape = std::vector<std::uint64_t>;
  CHECK(is_padded(Shape{24, 64}, Shape{32, 64}));
  CHECK(is_padded(Shape{2, 24, 64}, Shape{2, 24, 96}));
  CHECK_FALSE(is_padded(Shape{24, 64}, Shape{24, 64}));
  CHECK_FALSE(is_padded(Shape{24, 64}, Shape{32, 96}));
  CHECK_FALSE(is_padded(Shape{24, 64}, Shape{16, 64}));
  CHECK_FALSE(is_padded(Shape{32, 64}, Shape{64, 32}));
  CHECK_FALSE(is_padded(Shape{24}, Shape{32}));
  CHECK_FALSE(is_padded(Shape{24, 64}, Shape{24, 64, 2}));
}

TEST_CASE("is_block_buffer: what a model computes anew") {
  struct Row {
    const char* name;
    Dtype dtype;
    std::vector<std::uint64_t> shape;
    bool buffer;
  };
  const Row rows[] = {{"l.0.rotary_emb.inv_freq", Dtype::f32, {4}, true},
                      {"l.0.rotary_emb.cos_cached", Dtype::f32, {1, 1, 8, 4}, true},
                      {"l.0.rotary_emb.sin_cached", Dtype::f32, {8, 4}, true},
                      {"l.0.attn.bias", Dtype::f32, {1, 1, 8, 8}, true},
                      {"l.0.attn.bias", Dtype::boolean, {8, 8}, true},
                      {"l.0.attn.causal_mask", Dtype::f16, {1, 1, 8, 8}, true},
                      {"l.0.attn.bias", Dtype::f32, {1, 1, 8, 4}, false},
                      {"l.0.attn.bias", Dtype::f32, {8, 8}, false},
                      {"l.0.attn.bias", Dtype::f32, {8}, false},
                      {"l.0.attn.masked_bias", Dtype::f32, {}, true},
                      {"l.0.layer_scalar", Dtype::bf16, {1}, true},
                      {"l.0.q_norm.weight", Dtype::bf16, {8}, false},
                      {"l.0.experts.gate_up_proj", Dtype::bf16, {2, 4, 8}, false},
                      {"l.0.experts.gate_up_proj_packed", Dtype::i32, {2, 4, 8}, false},
                      {"l.0.mlp.tid2eid", Dtype::i64, {8, 2}, false}};
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    const Tensor tensor{.name = row.name, .shape = row.shape, .dtype = row.dtype};
    CHECK(is_block_buffer(tensor) == row.buffer);
  }
}

}  // namespace
}  // namespace thaw
