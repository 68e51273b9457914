// specs/models.md clause 3: which spelling of the path a checkpoint uses, and how many layers.
#include "model/blocks.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "model/choose.h"
#include "support/places.h"
#include "support/safetensors_file.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

constexpr const char* kToy = R"({
  "model_types": ["toy"],
  "layers": ["model.layers", "model.language_model.layers", "layers"],
  "layer_count": ["num_hidden_layers", "text_config.num_hidden_layers"],
  "extra_layer_count": ["num_nextn_predict_layers", "text_config.num_nextn_predict_layers"],
  "linears": ["mlp.up", "mlp.experts.#.up", "q"],
  "floats": ["norm", "mlp", "layer_scalar"],
  "prefixes": [["visual", "model.visual"], ["model.norm", "model.language_model.norm", "norm"],
               ["model.visual.merger", "merger"]]
})";

ModelSpec toy() { return parse_model_spec("toy.json", kToy).value(); }

struct Row {
  std::string name;
  std::string config;
  std::vector<std::string> tensors;
  std::vector<std::string> expected;  // of a bad row: all of them in the message
  Blocks blocks = {};                 // of a good one
};

Result<Blocks> locate(const Row& row) {
  const testing::TemporaryDirectory directory;
  std::vector<testing::TensorSpec> tensors;
  for (const std::string& name : row.tensors) {
    tensors.push_back({.name = name, .dtype = Dtype::f16, .shape = {2}});
  }
  directory.write("m/model.safetensors", testing::safetensors(tensors));
  directory.write("m/config.json", row.config);
  const auto checkpoint = open_checkpoint(real_file_system(), directory / "m");
  REQUIRE_MESSAGE(checkpoint.ok(), (checkpoint.ok() ? "" : checkpoint.error().text()));
  return locate_blocks(toy(), checkpoint.value());
}

std::vector<std::string> layers(const std::string& path, int begin, int end) {
  std::vector<std::string> names;
  for (int i = begin; i < end; ++i) {
    names.push_back(std::string(path).append(".").append(std::to_string(i)).append(".q.weight"));
  }
  return names;
}

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST_CASE("locate_blocks: the path that is used, and all layers below it") {
  const std::vector<Row> rows = {
      {"the config says nothing", "{}", layers("model.layers", 0, 3), {}, {"model.layers", 3, 0}},
      {"a key at the top",
       R"({"num_hidden_layers": 3})",
       layers("model.layers", 0, 3) + std::vector<std::string>{"model.norm.weight", "layers.x.q"},
       {},
       {"model.layers", 3, 0}},
      {"a nested key",
       R"({"text_config": {"num_hidden_layers": 2}, "num_hidden_layers": null})",
       layers("model.language_model.layers", 0, 2),
       {},
       {"model.language_model.layers", 2, 0}},
      {"the first key of the spec decides",
       R"({"text_config": {"num_hidden_layers": 9}, "num_hidden_layers": 2})",
       layers("layers", 0, 2),
       {},
       {"layers", 2, 0}},
      {"more than ten",
       R"({"num_hidden_layers": 12})",
       layers("model.layers", 0, 12),
       {},
       {"model.layers", 12, 0}},
      {"one that predicts further tokens",
       R"({"num_hidden_layers": 3, "num_nextn_predict_layers": 1})",
       layers("model.layers", 0, 4),
       {},
       {"model.layers", 3, 1}},
      {"which is absent",
       R"({"num_hidden_layers": 3, "num_nextn_predict_layers": 1})",
       layers("model.layers", 0, 3),
       {},
       {"model.layers", 3, 0}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const Result<Blocks> found = locate(row);
    REQUIRE_MESSAGE(found.ok(), (found.ok() ? "" : found.error().text()));
    CHECK(found.value().path == row.blocks.path);
    CHECK(found.value().count == row.blocks.count);
    CHECK(found.value().extra == row.blocks.extra);
  }
}

TEST_CASE("locate_blocks: what is wrong is said, all at once") {
  const std::string three = R"({"num_hidden_layers": 3, "num_nextn_predict_layers": 2})";
  const std::vector<Row> rows = {
      {"no block",
       "{}",
       {"model.norm.weight", "xlayers.0.q.weight"},
       {"no tensor lies in a block of the model spec toy",
        "a layer below model.layers, model.language_model.layers, layers"}},
      {"two paths",
       "{}",
       layers("model.layers", 0, 1) + layers("layers", 0, 1),
       {"more than one path of the model spec toy: got layers, model.layers, expected one"}},
      {"a gap and another count",
       three,
       layers("model.layers", 0, 1) + layers("model.layers", 3, 5),
       {"model.layers: layers are missing below layer 4: 1, 2"}},
      {"a long gap",
       "{}",
       {"layers.999999.q.weight"},
       {"layers are missing below layer 999999: 0, 1, 2, 3, 4, 5, 6, 7 and 999991 more"}},
      {"fewer than the config says",
       three,
       layers("layers", 0, 2),
       {"layers: the number of layers: got 2, expected 3, the config's num_hidden_layers, or 2 "
        "more, its num_nextn_predict_layers"}},
      {"more than the config says", three, layers("layers", 0, 4), {"got 4, expected 3"}},
      {"no layers at all by the config",
       R"({"num_hidden_layers": 0})",
       layers("layers", 0, 1),
       {"got 1, expected 0"}},
      {"a number with a zero in front",
       "{}",
       {"layers.0.q.weight", "layers.01.q.weight"},
       {"layers.01.q.weight: the number of the layer: got 01, expected one without leading zeros"}},
      {"a number beyond all models", "{}", {"layers.1000000.q.weight"}, {"got 1000000"}},
      {"a number beyond 64 bits", "{}", {"layers.99999999999999999999.q.w"}, {"got 999999"}},
      {"a count that is none",
       R"({"num_hidden_layers": "3"})",
       layers("layers", 0, 3),
       {"config.json: num_hidden_layers is not a number of layers"}},
      {"a negative count",
       R"({"text_config": {"num_hidden_layers": -3}})",
       layers("layers", 0, 3),
       {"text_config.num_hidden_layers is not a number of layers"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const Result<Blocks> found = locate(row);
    REQUIRE_FALSE(found.ok());
    CHECK(found.error().code == ErrorCode::input);
    for (const std::string& part : row.expected) {
      CHECK_MESSAGE(found.error().text().find(part) != std::string::npos,
                    part << " is not in " << found.error().text());
    }
  }
  const Result<Blocks> both = locate(
      {"", R"({"num_hidden_layers": "3"})", layers("layers", 0, 1) + layers("layers", 2, 3), {}});
  REQUIRE_FALSE(both.ok());
  CHECK(both.error().messages.size() == 2);
}

TEST_CASE("locate_blocks: real checkpoints, by the specs of this repository") {
  for (const std::string name : {"qwen2-awq-gemm", "starcoder2-awq-act_scales", "qwen3-ct-awq-asym",
                                 "qwen3moe-ct-w4a16-sym", "llama-gptq-v1-desc_act"}) {
    CAPTURE(name);
    const auto checkpoint =
        open_checkpoint(real_file_system(), THAW_TEST_DATA "/" + name + "/model");
    REQUIRE(checkpoint.ok());
    const std::string type(*checkpoint.value().config().find("model_type")->as_string());
    const auto spec = choose_model_spec(real_file_system(), THAW_MODEL_SPECS, "", type);
    REQUIRE_MESSAGE(spec.ok(), (spec.ok() ? "" : spec.error().text()));
    const Result<Blocks> blocks = locate_blocks(spec.value(), checkpoint.value());
    REQUIRE_MESSAGE(blocks.ok(), (blocks.ok() ? "" : blocks.error().text()));
    CHECK(blocks.value().path == "model.layers");
    CHECK(blocks.value().count == 2);
    CHECK(blocks.value().extra == 0);
    // Every tensor of a block is one that the spec names, or activation scales that it folds.
    for (const Tensor& tensor : checkpoint.value().tensors()) {
      const BlockMember member = find_block(spec.value(), tensor.name);
      if (member.block.empty() || member.member == "mlp.act.scales") continue;
      const std::string tensor_name(tensor.name);
      CAPTURE(tensor_name);
      CHECK_FALSE(spec_module(spec.value(), member.member).empty());
    }
  }
}

TEST_CASE("spec_module: the module that a member belongs to") {
  const ModelSpec spec = toy();
  struct Name {
    std::string member;
    std::string module;
  };
  for (const Name& row :
       std::vector<Name>{{"mlp.up.qweight", "mlp.up"},
                         {"mlp.up.bias", "mlp.up"},
                         {"mlp.up", "mlp.up"},
                         {"mlp.experts.3.up.qweight", "mlp.experts.#.up"},
                         {"mlp.experts.12345678901234567890123.up.weight", "mlp.experts.#.up"},
                         {"mlp.experts.x.up.weight", ""},
                         {"mlp.experts..up.weight", ""},
                         {"mlp.experts.3.up.deep.weight", ""},
                         {"mlp.experts.3.weight", ""},
                         {"norm.weight", "norm"},
                         {"norm.", "norm"},
                         {"mlp.a_log", "mlp"},
                         {"layer_scalar", "layer_scalar"},
                         {"layer_scalars", ""},
                         {"", ""},
                         {".", ""},
                         {"q", "q"},
                         {"qq.weight", ""}}) {
    CAPTURE(row.member);
    CHECK(spec_module(spec, row.member) == row.module);
  }
}

TEST_CASE("spellings: all names of a tensor, its own first") {
  const ModelSpec spec = toy();
  using Names = std::vector<std::string>;
  CHECK(spellings(spec, "visual.x.weight") == Names{"visual.x.weight", "model.visual.x.weight"});
  CHECK(spellings(spec, "model.visual.x") == Names{"model.visual.x", "visual.x"});
  CHECK(spellings(spec, "visual") == Names{"visual", "model.visual"});
  CHECK(spellings(spec, "visuals.x") == Names{"visuals.x"});
  CHECK(spellings(spec, "model.language_model.layers.7.q.weight") ==
        Names{"model.language_model.layers.7.q.weight", "model.layers.7.q.weight",
              "layers.7.q.weight"});
  CHECK(spellings(spec, "layers.7") == Names{"layers.7"});
  CHECK(spellings(spec, "norm.weight") ==
        Names{"norm.weight", "model.norm.weight", "model.language_model.norm.weight"});
  // The longest prefix decides.
  CHECK(spellings(spec, "model.visual.merger.x") == Names{"model.visual.merger.x", "merger.x"});
  CHECK(spellings(spec, "") == Names{""});
}

}  // namespace
}  // namespace thaw
