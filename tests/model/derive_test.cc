// specs/models.md clause 6: a draft from the names of a checkpoint.
#include "model/derive.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "model/blocks.h"
#include "model/choose.h"
#include "support/places.h"
#include "support/safetensors_file.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

using Names = std::vector<std::string>;

struct TensorName {
  std::string name;
  std::vector<std::uint64_t> shape;
};

Result<SpecDraft> derive(const std::vector<TensorName>& names, const std::string& config) {
  const testing::TemporaryDirectory directory;
  std::vector<testing::TensorSpec> tensors;
  for (const TensorName& tensor : names) {
    tensors.push_back({.name = tensor.name, .dtype = Dtype::f16, .shape = tensor.shape});
  }
  directory.write("m/model.safetensors", testing::safetensors(tensors));
  directory.write("m/config.json", config);
  return derive_model_spec(real_file_system(), directory / "m");
}

bool noted(const SpecDraft& draft, const std::string& part) {
  return std::any_of(draft.notes.begin(), draft.notes.end(),
                     [&](const std::string& note) { return note.find(part) != std::string::npos; });
}

TEST_CASE("derive: the draft of a real checkpoint names what its spec names") {
  for (const std::string name : {"qwen2-awq-gemm", "starcoder2-awq-act_scales", "qwen3-ct-awq-asym",
                                 "qwen3moe-ct-w4a16-sym", "llama-autoround-mixed"}) {
    CAPTURE(name);
    const std::string model = THAW_TEST_DATA "/" + name + "/model";
    const auto draft = derive_model_spec(real_file_system(), model);
    REQUIRE_MESSAGE(draft.ok(), (draft.ok() ? "" : draft.error().text()));
    const auto parsed = parse_model_spec("draft.json", draft.value().text);
    REQUIRE_MESSAGE(parsed.ok(), (parsed.ok() ? "" : parsed.error().text()));
    const ModelSpec& derived = parsed.value();
    const auto known =
        choose_model_spec(real_file_system(), THAW_MODEL_SPECS, "", derived.model_types[0]);
    REQUIRE(known.ok());
    const ModelSpec& spec = known.value();
    CHECK(derived.layers == Names{"model.layers"});
    CHECK(derived.layer_count == Names{"num_hidden_layers"});
    // What blocks have here, and nothing else; the spec may name more, but only as optional.
    for (const auto* list : {&derived.linears, &derived.floats}) {
      const auto& in_spec = list == &derived.linears ? spec.linears : spec.floats;
      for (const std::string& module : *list) {
        CAPTURE(module);
        CHECK(std::find(in_spec.begin(), in_spec.end(), module) != in_spec.end());
      }
      for (const std::string& module : in_spec) {
        const bool found = std::find(list->begin(), list->end(), module) != list->end();
        const auto& optional = spec.optional;
        const bool may_lack = std::find(optional.begin(), optional.end(), module) != optional.end();
        CAPTURE(module);
        CHECK((found || may_lack));
      }
    }
    CHECK(noted(draft.value(), "mlp.act.scales") == (name == "starcoder2-awq-act_scales"));
    CHECK(draft.value().text.find("\"absorbs\": []") != std::string::npos);
  }
}

TEST_CASE("derive: experts, what blocks lack, parameters, parts beside, extra blocks") {
  std::vector<TensorName> names;
  for (const std::string i : {"0", "1", "2"}) {
    const std::string block = "model.language_model.layers." + i + ".";
    names.push_back({block + "q.qweight", {4, 4}});
    names.push_back({block + "q.scales", {4, 4}});
    names.push_back({block + "norm.weight", {4}});
    names.push_back({block + "gain", {1}});
  }
  for (const std::string i : {"0", "1"}) {
    names.push_back({"model.language_model.layers.1.mlp.experts." + i + ".up.weight", {4, 4}});
  }
  names.push_back({"model.language_model.layers.0.mlp.act.scales", {4}});
  names.push_back({"model.language_model.layers.0.moe.gate_up", {2, 4, 4}});
  names.push_back({"model.language_model.layers.2.eh_proj.weight", {4, 4}});
  for (int i = 0; i < 9; ++i) {  // more blocks and bytes, but nothing is packed
    names.push_back({"model.visual.blocks." + std::to_string(i) + ".x.weight", {64, 64}});
  }
  names.push_back({"model.language_model.norm.weight", {4}});
  names.push_back({"lm_head.weight", {4, 4}});
  const auto draft = derive(names, R"({"model_type": "moe", "text_config": {
      "num_hidden_layers": 2, "num_nextn_predict_layers": 1}, "n_layer": 7,
      "vision_config": {"num_hidden_layers": 3}})");
  REQUIRE_MESSAGE(draft.ok(), (draft.ok() ? "" : draft.error().text()));
  CHECK(draft.value().text == R"({
  "model_types": ["moe"],
  "layers": ["model.language_model.layers"],
  "layer_count": ["text_config.num_hidden_layers"],
  "extra_layer_count": ["text_config.num_nextn_predict_layers"],
  "linears": ["mlp.experts.#.up", "q"],
  "floats": ["gain", "moe", "norm"],
  "optional": ["mlp.experts.#.up", "moe"],
  "absorbs": [],
  "prefixes": [["lm_head"], ["model.language_model.norm"], ["model.visual"]]
}
)");
  CHECK(noted(draft.value(), "mlp.act.scales"));
  CHECK(noted(draft.value(), "three dimensions, experts perhaps: moe"));
  CHECK(noted(draft.value(), "model.language_model.layers, 2 blocks"));
}

TEST_CASE("derive: long lists have an item a line") {
  std::vector<TensorName> names;
  for (int i = 0; i < 12; ++i) {
    const std::string name = "layers.0.linear_of_a_long_name_" + std::to_string(i) + ".weight";
    names.push_back({name, {4, 4}});
  }
  const auto draft = derive(names, "{}");
  REQUIRE(draft.ok());
  CHECK(draft.value().text.find("  \"linears\": [\n    \"linear_of_a_long_name_0\",\n") !=
        std::string::npos);
  CHECK(noted(draft.value(), "no key of config.json says 1 layers"));
  CHECK(noted(draft.value(), "model_types needs one"));
}

TEST_CASE("derive: what no spec can say is refused") {
  struct Row {
    std::string name;
    std::vector<TensorName> names;
    std::string expected;
  };
  for (const Row& row : std::vector<Row>{
           {"no number", {{"model.norm.weight", {4}}}, "no tensor lies in a numbered block"},
           {"a number at the end", {{"model.0", {4}}}, "no tensor lies in a numbered block"},
           {"no linear", {{"layers.0.norm.weight", {4}}}, "no linear lies below layers"},
           {"a gap",
            {{"layers.0.q.weight", {4, 4}}, {"layers.2.q.weight", {4, 4}}},
            "layers are missing below layer 2: 1"},
           {"a # of its own", {{"layers.0.q#.weight", {4, 4}}}, "a # that is not a part"},
           {"an empty part", {{"layers.0.a..b.weight", {4, 4}}}, "parts between single dots"},
           {"a # in the path", {{"a#.0.q.weight", {4, 4}}}, "has no meaning here"}}) {
    CAPTURE(row.name);
    const auto draft = derive(row.names, "{}");
    REQUIRE_FALSE(draft.ok());
    CHECK(draft.error().code == ErrorCode::input);
    CHECK_MESSAGE(draft.error().text().find(row.expected) != std::string::npos,
                  draft.error().text());
  }
}

}  // namespace
}  // namespace thaw
