// Every spec of this repository against what the field's quantization tools know of the model
// types (tests/data/model_structures). specs/models.md clauses 2 to 5.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "json/node.h"
#include "model/blocks.h"
#include "model/choose.h"
#include "support/places.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

std::vector<ModelSpec> all_specs() {
  auto specs = load_model_specs(real_file_system(), THAW_MODEL_SPECS);
  REQUIRE_MESSAGE(specs.ok(), (specs.ok() ? "" : specs.error().text()));
  return std::move(specs).value();
}

bool contains(const std::vector<std::string>& items, std::string_view one) {
  return std::find(items.begin(), items.end(), one) != items.end();
}

// "mlp.experts.#.up_proj" as a member of a block: of one of the experts. A bias is a member itself.
std::string member(std::string name) {
  for (std::size_t at = name.find('#'); at != std::string::npos; at = name.find('#')) {
    name.replace(at, 1, "17");
  }
  return name.ends_with("_bias") ? name : name + ".weight";
}

void check_type(const ModelSpec& spec, const json::Node& facts) {
  CHECK(contains(spec.layers, facts.find("layers")->string));
  for (const json::Node& linear : facts.find("linears")->items) {
    CAPTURE(linear.string);
    CHECK(contains(spec.linears, spec_module(spec, member(linear.string))));
  }
  for (const json::Node& module : facts.find("floats")->items) {
    CAPTURE(module.string);
    CHECK_FALSE(spec_module(spec, member(module.string)).empty());
  }
  for (const json::Node& norm : facts.find("norms")->items) {
    CAPTURE(norm.string);
    CHECK(std::any_of(spec.prefixes.begin(), spec.prefixes.end(),
                      [&](const auto& part) { return contains(part, norm.string); }));
  }
}

TEST_CASE("every model type that is known: its paths, linears, other modules and final norm") {
  const std::string path = THAW_TEST_DATA "/model_structures/structures.json";
  const std::string text = testing::content_of(path);
  const auto facts = json::parse(path, text, {});
  REQUIRE(facts.ok());
  const std::vector<ModelSpec> specs = all_specs();
  std::size_t types = 0;
  for (const json::Node& structure : facts.value().items) {
    for (const json::Node& type : structure.find("model_types")->items) {
      CAPTURE(type.string);
      const ModelSpec* spec = find_model_spec(specs, type.string);
      REQUIRE(spec != nullptr);
      check_type(*spec, structure);
      ++types;
    }
  }
  CHECK(types == 151);
}

TEST_CASE("every spec says where the count stands, and its name is no other's type") {
  const std::vector<ModelSpec> specs = all_specs();
  for (const ModelSpec& spec : specs) {
    CAPTURE(spec.name);
    CHECK_FALSE(spec.layer_count.empty());
    CHECK_FALSE(spec.floats.empty());
    CHECK_FALSE(spec.prefixes.empty());
    const ModelSpec* by_type = find_model_spec(specs, spec.name);
    CHECK(by_type == (contains(spec.model_types, spec.name) ? &spec : nullptr));
    CHECK(find_named_spec(specs, spec.name) == &spec);
  }
}

TEST_CASE("the types of the reference tool: one block, its own path each") {
  const std::vector<ModelSpec> specs = all_specs();
  struct Row {
    std::string type;
    std::string spec;
    std::string layers;
  };
  for (const Row& row :
       {Row{"qwen2.5_vl", "qwen2_5_vl", "model.layers"},
        Row{"qwen2_5_vl", "qwen2_5_vl", "model.language_model.layers"},
        Row{"qwen2_vl", "qwen2_vl", "model.layers"}, Row{"qwen2.5", "qwen2", "model.layers"},
        Row{"qwen2", "qwen2", "model.layers"}, Row{"minicpmv", "minicpmv", "llm.model.layers"}}) {
    CAPTURE(row.type);
    const ModelSpec* spec = find_named_spec(specs, row.type);
    REQUIRE(spec != nullptr);
    CHECK(spec->name == row.spec);
    CHECK(contains(spec->layers, row.layers));
    CHECK(spec->linears == std::vector<std::string>{"self_attn.q_proj", "self_attn.k_proj",
                                                    "self_attn.v_proj", "self_attn.o_proj",
                                                    "mlp.gate_proj", "mlp.up_proj",
                                                    "mlp.down_proj"});
    CHECK(contains(spec->floats, "input_layernorm"));
    CHECK(contains(spec->floats, "post_attention_layernorm"));
    for (const std::string& linear : spec->linears) CHECK_FALSE(contains(spec->optional, linear));
  }
}

// What AutoAWQ rescales, in the order of the rules.
TEST_CASE("the modules that absorb AWQ's scales") {
  const std::vector<ModelSpec> specs = all_specs();
  const std::string llama =
      "input_layernorm self_attn.v_proj post_attention_layernorm mlp.up_proj ";
  struct Row {
    std::string types;  // with spaces
    std::string modules;
    double offset = 0;  // of the first rule
  };
  for (const Row& row : std::vector<Row>{
           {"llama mistral aquila qwen2 stablelm qwen3 llava llava_next qwen2_vl qwen2_5_vl "
            "qwen2_5_omni minicpmv internvl_chat",
            llama},
           {"gemma", llama, 1},
           {"gemma2", "input_layernorm self_attn.v_proj pre_feedforward_layernorm mlp.up_proj ", 1},
           {"cohere", "input_layernorm self_attn.v_proj mlp.up_proj "},
           {"minicpm", "input_layernorm post_attention_layernorm mlp.up_proj "},
           {"minicpm3",
            "input_layernorm self_attn.q_a_layernorm self_attn.kv_a_layernorm "
            "post_attention_layernorm mlp.up_proj "},
           {"baichuan", "input_layernorm self_attn.W_pack post_attention_layernorm mlp.up_proj "},
           {"phi3",
            "input_layernorm self_attn.qkv_proj post_attention_layernorm mlp.gate_up_proj "},
           {"exaone", "ln_1 attn.attention.v_proj ln_2 mlp.c_fc_1 "},
           {"internlm2", "attention_norm attention.wqkv ffn_norm feed_forward.w1 "},
           {"qwen", "ln_1 ln_2 mlp.w1 "},
           {"opt", "self_attn_layer_norm self_attn.v_proj final_layer_norm fc1 "},
           {"bloom gpt_neox", "input_layernorm post_attention_layernorm "},
           {"falcon", "input_layernorm post_attention_layernorm ln_attn ln_mlp "},
           {"mpt", "norm_1 attn.Wqkv norm_2 "},
           {"gptj", "ln_1 attn.v_proj "},
           {"gpt_bigcode", "ln_1 ln_2 "},
           {"starcoder2", "input_layernorm self_attn.v_proj post_attention_layernorm "},
           {"mixtral",
            "input_layernorm self_attn.v_proj post_attention_layernorm "
            "block_sparse_moe.experts.#.w3 "},
           {"qwen3_moe", llama + "mlp.experts.#.up_proj "},
           {"deepseek_v2 deepseek_v3",
            "input_layernorm self_attn.q_a_layernorm self_attn.kv_a_layernorm "
            "post_attention_layernorm mlp.up_proj mlp.experts.#.up_proj "
            "mlp.shared_experts.up_proj "}}) {
    for (std::size_t at = 0; at < row.types.size();) {
      const std::size_t end = std::min(row.types.find(' ', at), row.types.size());
      const std::string type = row.types.substr(at, end - at);
      at = end + 1;
      CAPTURE(type);
      const ModelSpec* spec = find_model_spec(specs, type);
      REQUIRE(spec != nullptr);
      std::string modules;
      for (const Absorbs& rule : spec->absorbs) modules.append(rule.module).append(" ");
      CHECK(modules == row.modules);
      CHECK(spec->absorbs[0].offset == row.offset);
    }
  }
}

}  // namespace
}  // namespace thaw
