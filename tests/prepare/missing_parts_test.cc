// specs/checkpoint.md clause 6: what a model seems to lack, and kinds of models that lack nothing.
#include "prepare/missing_parts.h"

#include <doctest/doctest.h>

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace thaw {
namespace {

// The tensors of a model, by names; packed ones are those of linears.
class Model {
 public:
  Model& linear(const std::string& module) {
    tensors_.push_back({module + ".weight", {64, 64}, true});
    return *this;
  }
  Model& norm(const std::string& module) {
    tensors_.push_back({module + ".weight", {64}, false});
    return *this;
  }
  Model& add(const std::string& name, std::vector<std::uint64_t> shape) {
    tensors_.push_back({name, std::move(shape), false});
    return *this;
  }
  // All linears of `names` below `path`.
  Model& linears(const std::string& path, std::initializer_list<const char*> names) {
    for (const char* name : names) linear(path + "." + name);
    return *this;
  }
  Model& attention(const std::string& path) {
    return linears(path + ".self_attn", {"q_proj", "k_proj", "v_proj", "o_proj"});
  }
  Model& mlp(const std::string& path) {
    return linears(path, {"gate_proj", "up_proj", "down_proj"});
  }
  Model& norms(const std::string& layer) {
    return norm(layer + ".input_layernorm").norm(layer + ".post_attention_layernorm");
  }
  Model& ends() {
    add("model.embed_tokens.weight", {32, 64});
    return add("lm_head.weight", {32, 64}).norm("model.norm");
  }
  // Without each tensor whose name begins so.
  Model without(std::string_view beginning) const {
    Model rest = *this;
    std::erase_if(rest.tensors_,
                  [&](const ModelTensor& tensor) { return tensor.name.starts_with(beginning); });
    REQUIRE(rest.tensors_.size() < tensors_.size());
    return rest;
  }
  // What is found, joined.
  [[nodiscard]] std::string found(std::string_view config = "{}") const {
    const Result<json::Node> node = json::parse("config.json", config, {});
    REQUIRE(node.ok());
    std::string text;
    for (const std::string& one : find_missing_parts(tensors_, node.value())) text += one + "\n";
    return text;
  }

 private:
  std::vector<ModelTensor> tensors_;
};

std::string layer(int i, const std::string& path = "model.layers") {
  return path + "." + std::to_string(i);
}

Model llama(int layers, const std::string& path = "model.layers") {
  Model model;
  for (int i = 0; i < layers; ++i) {
    model.norms(layer(i, path)).attention(layer(i, path)).mlp(layer(i, path) + ".mlp");
  }
  return model.ends();
}

void check_has(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CAPTURE(part);
  CHECK(text.find(part) != std::string::npos);
}

TEST_CASE("6.2: layers that the config counts, and gaps where it counts none") {
  const std::string four = R"({"num_hidden_layers": 4})";
  CHECK(llama(4).found(four).empty());
  check_has(llama(3).found(four),
            "config.json says num_hidden_layers 4, but of model.layers 3 "
            "are there; missing: 3");
  check_has(llama(4).without("model.layers.1.").found(four), "missing: 1\n");
  check_has(llama(4).without("model.layers.1.").found(),
            "the layers of model.layers have gaps; "
            "missing: 1");
  check_has(llama(1).found(R"({"n_layer": 9})"), "missing: 1, 2, 3, 4, 5 and 3 more");
  // A nested config counts before the one around it.
  CHECK(llama(2)
            .found(R"({"num_hidden_layers": 7, "text_config": {"num_hidden_layers": 2}})")
            .empty());
  check_has(llama(2).found(R"({"thinker_config": {"text_config": {"num_hidden_layers": 3}}})"),
            "missing: 2");
  // Layers behind the count predict further tokens, and are of another kind.
  CHECK(llama(3)
            .without("model.layers.2.self_attn.o_proj")
            .found(R"({"num_hidden_layers": 2})")
            .empty());
  // Numbers that are no count.
  for (const char* config : {R"({"num_hidden_layers": -1})", R"({"num_hidden_layers": "4"})",
                             R"({"num_hidden_layers": 9000000000000})", "null"}) {
    CHECK(llama(2).found(config).empty());
  }
  CHECK(llama(2).found(R"({"num_hidden_layers": 4, "is_encoder_decoder": true})").empty());
}

TEST_CASE("6.3: modules that the other layers have") {
  struct Row {
    int layers;
    const char* missing;
    const char* told;  // nullptr: the same
  };
  const std::vector<Row> rows = {
      {2, "model.layers.1.mlp.up_proj", nullptr},
      {2, "model.layers.0.mlp.down_proj", nullptr},
      {2, "model.layers.1.self_attn.o_proj", nullptr},
      {2, "model.layers.1.self_attn.q_proj", nullptr},
      {2, "model.layers.1.self_attn.v_proj", nullptr},
      {2, "model.layers.1.mlp", nullptr},
      {2, "model.layers.0.self_attn", nullptr},
      {2, "model.layers.1.input_layernorm", nullptr},
      {8, "model.layers.7.mlp.gate_proj", nullptr},
      {8, "model.layers.3.self_attn.k_proj", nullptr},
      {8, "model.layers.3.post_attention_layernorm", nullptr},
      {12, "model.layers.1", "model.layers.1"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.missing);
    const std::string found = llama(row.layers).without(std::string(row.missing) + ".").found();
    if (std::string_view(row.missing) == "model.layers.1") {
      check_has(found, "have gaps; missing: 1");
    } else {
      check_has(found,
                std::string("1 module that other layers have is missing: ").append(row.missing));
    }
  }
  // Of several layers, and of all.
  const Model two = llama(8).without("model.layers.2.mlp.up_proj").without("model.layers.5.mlp.up");
  check_has(two.found(),
            "2 modules that other layers have are missing: model.layers.2.mlp.up_proj, "
            "model.layers.5.mlp.up_proj");
  const Model all = llama(2).without("model.layers.0.mlp.up_").without("model.layers.1.mlp.up_");
  check_has(all.found(), "2 modules that other layers have are missing");
  // Of a tower beside the text model: what no model leaves out.
  Model tower = llama(2);
  for (int i = 0; i < 3; ++i) tower.mlp(layer(i, "visual.blocks") + ".mlp");
  CHECK(tower.found().empty());
  check_has(tower.without("visual.blocks.1.mlp.up_proj").found(), "visual.blocks.1.mlp.up_proj");
}

TEST_CASE("6.3: layers of different kinds lack nothing") {
  const auto build = [](int layers, const std::function<void(Model&, int)>& add) {
    Model model;
    for (int i = 0; i < layers; ++i) {
      model.norms(layer(i));
      add(model, i);
    }
    return model.ends();
  };
  const auto moe = [](Model& model, const std::string& path) {
    model.add(path + ".gate.weight", {4, 64});
    for (int e = 0; e < 4; ++e) model.mlp(path + ".experts." + std::to_string(e));
    model.mlp(path + ".shared_experts");
  };
  for (const int layers : {2, 4, 8}) {
    CAPTURE(layers);
    // Dense first layers.
    CHECK(build(layers,
                [&](Model& model, int i) {
                  model.attention(layer(i));
                  if (i == 0) {
                    model.mlp(layer(i) + ".mlp");
                  } else {
                    moe(model, layer(i) + ".mlp");
                  }
                })
              .found()
              .empty());
    // Attention and Mamba by turns, with and without an MLP of each.
    CHECK(build(layers,
                [&](Model& model, int i) {
                  if (i % 2 == 0) {
                    model.linears(layer(i) + ".mamba", {"in_proj", "out_proj"});
                  } else {
                    model.attention(layer(i));
                  }
                  model.mlp(layer(i) + ".mlp");
                })
              .found()
              .empty());
    // Layers of one mixer each.
    CHECK(build(layers,
                [&](Model& model, int i) {
                  if (i % 3 == 0) model.linears(layer(i) + ".mixer", {"in_proj", "out_proj"});
                  if (i % 3 == 1) model.linears(layer(i) + ".mixer", {"up_proj", "down_proj"});
                  if (i % 3 == 2) {
                    model.linears(layer(i) + ".mixer", {"q_proj", "k_proj", "v_proj", "o_proj"});
                  }
                })
              .found()
              .empty());
    // Layers that look at pictures.
    CHECK(
        build(layers,
              [&](Model& model, int i) {
                if (i == 1) {
                  model.linears(layer(i) + ".cross_attn", {"q_proj", "k_proj", "v_proj", "o_proj"});
                  model.add(layer(i) + ".cross_attn_attn_gate", {1});
                } else {
                  model.attention(layer(i));
                }
                model.mlp(layer(i) + ".mlp");
              })
            .found()
            .empty());
    // Keys and values of another layer, and keys that are values.
    const Model shared = build(layers, [&](Model& model, int i) {
      if (i == layers - 1) {
        model.linears(layer(i) + ".self_attn", {"q_proj", "o_proj"});
      } else {
        model.attention(layer(i));
      }
      model.mlp(layer(i) + ".mlp");
    });
    CHECK(shared.found(R"({"text_config": {"num_kv_shared_layers": 1}})").empty());
    const Model equal = build(layers, [&](Model& model, int i) {
      model.linears(layer(i) + ".self_attn", {"q_proj", "k_proj", "o_proj"});
      if (i != layers - 1) model.linear(layer(i) + ".self_attn.v_proj");
      model.mlp(layer(i) + ".mlp");
    });
    CHECK(equal.found(R"({"attention_k_eq_v": true})").empty());
    CHECK(!equal.found().empty());
  }
  // Fused linears in one of the layers; a parameter that every second layer has.
  CHECK(build(4,
              [&](Model& model, int i) {
                model.attention(layer(i)).mlp(layer(i) + ".mlp");
                if (i % 2 == 1) model.add(layer(i) + ".self_attn.sink_bias", {4});
              })
            .found()
            .empty());
  // A config of its own for every layer.
  const Model pruned =
      llama(4).without("model.layers.2.self_attn.").without("model.layers.2.input_layernorm");
  CHECK(pruned.found(R"({"block_configs": [{}]})").empty());
  CHECK(!pruned.found().empty());
  // A first layer with more than the others.
  CHECK(llama(4).linear("model.layers.0.self_attn.relative_bias").found().empty());
}

TEST_CASE("6.4: experts that lack a module, and experts that are not there") {
  Model model;
  for (int i = 0; i < 2; ++i) {
    model.norms(layer(i)).attention(layer(i));
    for (int e = 0; e < 8; ++e) {
      model.linears(layer(i) + ".block_sparse_moe.experts." + std::to_string(e),
                    {"w1", "w2", "w3"});
    }
  }
  model.ends();
  CHECK(model.found().empty());
  check_has(model.without("model.layers.1.block_sparse_moe.experts.3.w2.").found(),
            "1 module that other experts have is missing: "
            "model.layers.1.block_sparse_moe.experts.3.w2");
  check_has(model.without("model.layers.0.block_sparse_moe.experts.5.").found(),
            "missing: model.layers.0.block_sparse_moe.experts.5");
}

TEST_CASE("6.5: tensors without values") {
  check_has(llama(2).add("model.layers.0.mlp.up_proj.extra", {0}).found(),
            "1 tensor holds no values, with a 0 in the shape: model.layers.0.mlp.up_proj.extra");
  check_has(llama(2).add("a", {4, 0}).add("b", {0}).found(), "2 tensors hold no values");
}

TEST_CASE("6.6: a head without embeddings") {
  const std::string tied = R"({"tie_word_embeddings": true})";
  check_has(llama(2).without("model.embed_tokens").found(tied),
            "the embeddings are missing (model.embed_tokens.weight or the like), only "
            "lm_head.weight is there, which tie_word_embeddings makes the same");
  check_has(llama(2).without("model.embed_tokens").found(), "though lm_head.weight is there");
  CHECK(llama(2).without("lm_head").found(tied).empty());
  CHECK(llama(2).found(tied).empty());
  Model visual = llama(2).without("model.embed_tokens");
  visual.add("visual.patch_embed.proj.weight", {4, 4});
  CHECK(!visual.found(tied).empty());
  for (const char* name : {"transformer.wte", "model.tok_embeddings", "gpt_neox.embed_in"}) {
    Model other = llama(2).without("model.embed_tokens");
    other.add(std::string(name) + ".weight", {32, 64});
    CHECK(other.found(tied).empty());
  }
}

TEST_CASE("6.7: the same modules under two prefixes") {
  Model twice = llama(2, "model.language_model.layers");
  for (int i = 0; i < 2; ++i) {
    const std::string path = layer(i, "model.language_model.language_model.layers");
    twice.norms(path).attention(path).mlp(path + ".mlp");
  }
  check_has(twice.found(), "18 tensors are there under two prefixes: ");
  // Two models in one, with layers of the same names.
  Model both = llama(2, "thinker.model.layers");
  for (int i = 0; i < 2; ++i) {
    const std::string path = layer(i, "talker.model.layers");
    both.norms(path).attention(path).mlp(path + ".mlp");
  }
  CHECK(both.found().empty());
}

TEST_CASE("names of every kind are no fault") {
  Model odd;
  odd.add("weight", {2, 2}).add("", {1}).add(".", {1, 1}).add("0", {1}).add("0.weight", {1, 1});
  odd.add("a.99999999999999999999.weight", {1}).add("layers.", {1}).add("layers.0", {2, 2});
  odd.add("layers..0..weight", {2, 2}).add("layers.0.experts.1.2.3.weight", {2, 2});
  CHECK(odd.found().find("experts.0") != std::string::npos);
  CHECK(Model().found().empty());
}

}  // namespace
}  // namespace thaw
