// specs/models.md: what a spec may say, and that every spec of this repository says only that.
#include "model/spec.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "support/places.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

constexpr const char* kToy = R"({
  "model_types": ["toy", "toy2"],
  "layers": ["model.layers", "layers"],
  "linears": ["mlp.up", "mlp.down"],
  "activation_scales": [{"scales": "mlp.act.scales", "divides": "mlp.down"}]
})";

TEST_CASE("a model spec: everything it says is read") {
  const Result<ModelSpec> spec = parse_model_spec("folder/toy.json", kToy);
  REQUIRE_MESSAGE(spec.ok(), (spec.ok() ? "" : spec.error().text()));
  CHECK(spec.value().name == "toy");
  CHECK(spec.value().model_types == std::vector<std::string>{"toy", "toy2"});
  CHECK(spec.value().layers == std::vector<std::string>{"model.layers", "layers"});
  CHECK(spec.value().linears == std::vector<std::string>{"mlp.up", "mlp.down"});
  REQUIRE(spec.value().activation_scales.size() == 1);
  CHECK(spec.value().activation_scales[0].scales == "mlp.act.scales");
  CHECK(spec.value().activation_scales[0].divides == "mlp.down");
}

constexpr const char* kWhole = R"({
  "model_types": ["moe"],
  "layers": ["model.layers", "model.language_model.layers"],
  "layer_count": ["num_hidden_layers", "text_config.num_hidden_layers"],
  "extra_layer_count": ["num_nextn_predict_layers"],
  "linears": ["q", "mlp.up", "mlp.experts.#.up", "mlp.experts.#.down"],
  "floats": ["norm", "norm_7b", "norm_40b"],
  "optional": ["mlp.up", "norm_7b", "norm_40b"],
  "absorbs": [
    {"module": "norm", "linears": ["mlp.up", "mlp.experts.#.up"], "offset": 1},
    {"module": "mlp.experts.#.up", "linears": ["mlp.experts.#.down"]},
    {"module": "norm_7b", "linears": ["q"]},
    {"module": "norm_40b", "linears": ["q"], "offset": 0}
  ],
  "prefixes": [["visual", "model.visual"], ["lm_head"]]
})";

TEST_CASE("a model spec: the keys that the overlay needs") {
  const Result<ModelSpec> spec = parse_model_spec("moe.json", kWhole);
  REQUIRE_MESSAGE(spec.ok(), (spec.ok() ? "" : spec.error().text()));
  using Names = std::vector<std::string>;
  CHECK(spec.value().layer_count == Names{"num_hidden_layers", "text_config.num_hidden_layers"});
  CHECK(spec.value().extra_layer_count == Names{"num_nextn_predict_layers"});
  CHECK(spec.value().floats == Names{"norm", "norm_7b", "norm_40b"});
  CHECK(spec.value().optional == Names{"mlp.up", "norm_7b", "norm_40b"});
  REQUIRE(spec.value().absorbs.size() == 4);
  CHECK(spec.value().absorbs[0].module == "norm");
  CHECK(spec.value().absorbs[0].linears == Names{"mlp.up", "mlp.experts.#.up"});
  CHECK(spec.value().absorbs[0].offset == 1);
  CHECK(spec.value().absorbs[1].offset == 0);
  CHECK(spec.value().prefixes == std::vector<Names>{{"visual", "model.visual"}, {"lm_head"}});
}

TEST_CASE("a model spec without activation scales is one") {
  CHECK(parse_model_spec("a.json", R"({"model_types": ["a"], "layers": ["h"], "linears": ["x"]})")
            .ok());
}

TEST_CASE("find_block: a number between the layers' path and the member") {
  const ModelSpec spec = parse_model_spec("toy.json", kToy).value();
  struct Row {
    const char* tensor;
    const char* block;
    const char* member;
  };
  for (const Row& row :
       {Row{"model.layers.12.mlp.act.scales", "model.layers.12", "mlp.act.scales"},
        Row{"layers.0.mlp.down.weight", "layers.0", "mlp.down.weight"},
        Row{"model.layers.x.mlp.act.scales", "", ""}, Row{"model.layers..mlp.act.scales", "", ""},
        Row{"model.layers.1", "", ""}, Row{"model.layers", "", ""}, Row{"model.layers.", "", ""},
        Row{"model.layersx.1.mlp.act.scales", "", ""},
        Row{"other.model.layers.1.mlp.act.scales", "", ""}, Row{"", "", ""}}) {
    CAPTURE(std::string(row.tensor));
    const BlockMember found = find_block(spec, row.tensor);
    CHECK(found.block == row.block);
    CHECK(found.member == row.member);
  }
}

struct BadRow {
  std::string name;
  std::string text;
  std::vector<std::string> expected;  // all of them in the message
};

std::string with_scales(const std::string& scales) {
  return R"({"model_types": ["a"], "layers": ["h"], "linears": ["x", "y"], )"
         R"("activation_scales": )" +
         scales + "}";
}

// A spec of two linears and two floats with `more` behind them.
std::string with(const std::string& more) {
  return R"({"model_types": ["a"], "layers": ["h"], "linears": ["x", "e.#.y"], )"
         R"("floats": ["n", "m"], )" +
         more + "}";
}

std::vector<BadRow> more_bad_rows() {
  const std::string absorbs = R"("absorbs": )";
  return {
      {"a # in a path",
       R"({"model_types": ["a"], "layers": ["h.#"], "linears": ["x"]})",
       {"layers: \"h.#\" holds a #, which has no meaning here"}},
      {"a # within a part",
       R"({"model_types": ["a"], "layers": ["h"], "linears": ["x.e#"]})",
       {"linears: \"x.e#\" holds a # that is not a part of its own"}},
      {"a module that is linear and float",
       R"({"model_types": ["a"], "layers": ["h"], "linears": ["x"], "floats": ["x"]})",
       {"floats: \"x\" is also \"x\""}},
      {"a module that a # stands for",
       R"({"model_types": ["a"], "layers": ["h"], "linears": ["e.#.y", "e.0.y"]})",
       {"linears: \"e.0.y\" is also \"e.#.y\""}},
      {"counts that are no array", with(R"("layer_count": "n")"), {"layer_count: is not an array"}},
      {"no counts", with(R"("layer_count": [])"), {"layer_count: is not an array of at least one"}},
      {"a count with an empty part", with(R"("layer_count": ["a..b"])"), {"layer_count: \"a..b\""}},
      {"an extra count that is none",
       with(R"("extra_layer_count": [1])"),
       {"extra_layer_count: holds"}},
      {"optional without such a module",
       with(R"("optional": ["x", "z", "e.1.y"])"),
       {"optional: \"z\" is not one of the linears or floats", "optional: \"e.1.y\" is not one"}},
      {"optional twice", with(R"("optional": ["x", "x"])"), {"optional: holds \"x\" twice"}},
      {"rules that are an object", with(absorbs + "{}"), {"absorbs: is not an array"}},
      {"a rule without linears",
       with(absorbs + R"([{"module": "n"}])"),
       {"absorbs[0].linears: is missing"}},
      {"a rule with an unknown key",
       with(absorbs + R"([{"module": "n", "linears": ["x"], "scale": 1}])"),
       {"absorbs[0].scale: is not a key"}},
      {"a rule of no module",
       with(absorbs + R"([{"module": "z", "linears": ["x"]}])"),
       {"absorbs[0].module: \"z\" is not one of the linears or floats"}},
      {"a rule for a float",
       with(absorbs + R"([{"module": "n", "linears": ["m"]}])"),
       {"absorbs[0].linears: \"m\" is not one of the linears"}},
      {"a rule of a linear for itself",
       with(absorbs + R"([{"module": "x", "linears": ["x"]}])"),
       {"absorbs[0].linears: \"x\" is the module itself"}},
      {"an offset that is no integer",
       with(absorbs + R"([{"module": "n", "linears": ["x"], "offset": 0.5}])"),
       {"absorbs[0].offset: is not an integer"}},
      {"two rules of one module",
       with(absorbs + R"([{"module": "n", "linears": ["x"]}, {"module": "n", "linears": ["x"]}])"),
       {"absorbs[1].module: stands in another rule too"}},
      {"two modules for one linear",
       with(R"("optional": ["n"], "absorbs": [{"module": "n", "linears": ["x"]}, )"
            R"({"module": "m", "linears": ["x"]}])"),
       {"absorbs[1].linears: \"x\" stands in the rule of \"n\" too, and not both are optional"}},
      {"prefixes that are strings", with(R"("prefixes": ["v"])"), {"prefixes[0]: is not an array"}},
      {"a part in two lists",
       with(R"("prefixes": [["v", "m.v"], ["m.v"]])"),
       {"prefixes[1]: \"m.v\" stands in another list too"}},
      {"a part that is the layers",
       with(R"("prefixes": [["h"]])"),
       {"prefixes[0]: \"h\" is where the layers are"}},
      {"scales with a # for a linear without",
       with(R"("activation_scales": [{"scales": "e.#.scales", "divides": "x"}])"),
       {"activation_scales[0].divides: has another number of # than \"e.#.scales\""}},
      {"scales of an expert and of all experts",
       with(R"("activation_scales": [{"scales": "e.#.scales", "divides": "e.#.y"}, )"
            R"({"scales": "e.1.scales", "divides": "x"}])"),
       {"activation_scales[1].scales: stands in another rule too"}},
      {"much at once",
       with(R"("optional": ["z"], "prefixes": 1, "layer_count": 2)"),
       {"optional: ", "prefixes: is not an array", "layer_count: "}},
  };
}

std::vector<BadRow> bad_rows() {
  const std::string rule = R"({"scales": "m.scales", "divides": "x"})";
  return {
      {"no JSON", "{", {"bad.json: byte"}},
      {"an array", "[]", {"bad.json: is not an object"}},
      {"empty",
       "{}",
       {"bad.json: model_types: is missing", "layers: is missing", "linears: is missing"}},
      {"an unknown key",
       R"({"model_types": ["a"], "layers": ["h"], "linears": ["x"], "linear": []})",
       {"bad.json: linear: is not a key of a model spec"}},
      {"a key twice",
       R"({"model_types": ["a"], "model_types": ["a"], "layers": ["h"], "linears": ["x"]})",
       {"\"model_types\" stands twice"}},
      {"types that are no array",
       R"({"model_types": "a", "layers": ["h"], "linears": ["x"]})",
       {"model_types: is not an array"}},
      {"no types",
       R"({"model_types": [], "layers": ["h"], "linears": ["x"]})",
       {"model_types: is not an array of at least one string"}},
      {"a number among types",
       R"({"model_types": ["a", 1], "layers": ["h"], "linears": ["x"]})",
       {"model_types: holds something that is not a string"}},
      {"a linear twice",
       R"({"model_types": ["a"], "layers": ["h"], "linears": ["x", "x"]})",
       {"linears: holds \"x\" twice"}},
      {"a path with an empty part",
       R"({"model_types": ["a"], "layers": ["model..h"], "linears": ["x"]})",
       {"layers: \"model..h\" is not a name"}},
      {"a path that ends in a dot",
       R"({"model_types": ["a"], "layers": ["h."], "linears": ["x"]})",
       {"layers: \"h.\" is not a name"}},
      {"rules that are no array", with_scales(rule), {"activation_scales: is not an array"}},
      {"a rule that is no object", with_scales("[1]"), {"activation_scales[0]: is not an object"}},
      {"a rule without a linear",
       with_scales(R"([{"scales": "m.scales"}])"),
       {"activation_scales[0].divides: is missing"}},
      {"a rule with an unknown key",
       with_scales(R"([{"scales": "m.scales", "divides": "x", "times": 2}])"),
       {"activation_scales[0].times: is not a key"}},
      {"scales of another name",
       with_scales(R"([{"scales": "m.act", "divides": "x"}])"),
       {"activation_scales[0].scales: does not end in .scales"}},
      {"scales that are no string",
       with_scales(R"([{"scales": null, "divides": "x"}])"),
       {"activation_scales[0].scales: is not a string"}},
      {"a linear that is none",
       with_scales(R"([{"scales": "m.scales", "divides": "z"}])"),
       {"activation_scales[0].divides: \"z\" is not one of the linears"}},
      {"two rules for one linear",
       with_scales("[" + rule + R"(, {"scales": "n.scales", "divides": "x"}])"),
       {"activation_scales[1].divides: stands in another rule too"}},
      {"one name in two rules",
       with_scales("[" + rule + R"(, {"scales": "m.scales", "divides": "y"}])"),
       {"activation_scales[1].scales: stands in another rule too"}},
  };
}

TEST_CASE("divided_linear: a # is the number that stands for the same one of the scales") {
  const Result<ModelSpec> spec = parse_model_spec(
      "s.json",
      R"({"model_types": ["a"], "layers": ["h"], "linears": ["x", "e.#.y", "g.#.e.#.z"], )"
      R"("activation_scales": [{"scales": "a.scales", "divides": "x"}, )"
      R"({"scales": "e.#.act.scales", "divides": "e.#.y"}, )"
      R"({"scales": "g.#.a.b.#.scales", "divides": "g.#.e.#.z"}]})");
  REQUIRE_MESSAGE(spec.ok(), (spec.ok() ? "" : spec.error().text()));
  CHECK(divided_linear(spec.value(), "a.scales") == "x");
  CHECK(divided_linear(spec.value(), "e.12.act.scales") == "e.12.y");
  CHECK(divided_linear(spec.value(), "g.3.a.b.40.scales") == "g.3.e.40.z");
  for (const char* none : {"b.scales", "e.act.scales", "e.x.act.scales", "e.#.act.scales",
                           "e.1.act.scales.more", ""}) {
    CAPTURE(none);
    CHECK(divided_linear(spec.value(), none).empty());
  }
}

TEST_CASE("parse_model_spec: what is refused names the file and the key") {
  std::vector<BadRow> rows = bad_rows();
  for (BadRow& row : more_bad_rows()) rows.push_back(std::move(row));
  for (const BadRow& row : rows) {
    CAPTURE(row.name);
    const Result<ModelSpec> spec = parse_model_spec("bad.json", row.text);
    REQUIRE_FALSE(spec.ok());
    CHECK(spec.error().code == ErrorCode::input);
    for (const std::string& part : row.expected) {
      CHECK_MESSAGE(spec.error().text().find(part) != std::string::npos,
                    part << " is not in " << spec.error().text());
    }
  }
}

TEST_CASE("the specs of this repository load, and serve what they should") {
  const auto specs = load_model_specs(real_file_system(), THAW_MODEL_SPECS);
  REQUIRE_MESSAGE(specs.ok(), (specs.ok() ? "" : specs.error().text()));
  struct Row {
    const char* type;
    const char* spec;
    const char* scales;
    const char* divides;
  };
  for (const Row& row : {Row{"bloom", "bloom", "mlp.gelu_impl.scales", "mlp.dense_4h_to_h"},
                         Row{"falcon", "falcon", "mlp.act.scales", "mlp.dense_4h_to_h"},
                         Row{"RefinedWeb", "falcon", "mlp.act.scales", "mlp.dense_4h_to_h"},
                         Row{"RefinedWebModel", "falcon", "mlp.act.scales", "mlp.dense_4h_to_h"},
                         Row{"mpt", "mpt", "ffn.act.scales", "ffn.down_proj"},
                         Row{"gptj", "gptj", "mlp.act.scales", "mlp.fc_out"},
                         Row{"gpt_neox", "gpt_neox", "mlp.act.scales", "mlp.dense_4h_to_h"},
                         Row{"gpt_bigcode", "gpt_bigcode", "mlp.act.scales", "mlp.c_proj"},
                         Row{"starcoder2", "starcoder2", "mlp.act.scales", "mlp.c_proj"}}) {
    CAPTURE(std::string(row.type));
    const ModelSpec* spec = find_model_spec(specs.value(), row.type);
    REQUIRE(spec != nullptr);
    CHECK(spec->name == row.spec);
    REQUIRE(spec->activation_scales.size() == 1);
    CHECK(spec->activation_scales[0].scales == row.scales);
    CHECK(spec->activation_scales[0].divides == row.divides);
  }
  CHECK(find_model_spec(specs.value(), "no such type") == nullptr);
  CHECK(find_model_spec(specs.value(), "Falcon") == nullptr);
}

TEST_CASE("load_model_specs: all that is wrong at once, and nothing but *.json") {
  const testing::TemporaryDirectory directory;
  CHECK(load_model_specs(real_file_system(), directory / "none").error().code == ErrorCode::input);
  directory.write("models/a.json", kToy);
  directory.write("models/README.md", "{");
  const auto one = load_model_specs(real_file_system(), directory / "models");
  REQUIRE(one.ok());
  CHECK(one.value().size() == 1);
  directory.write("models/b.json",
                  R"({"model_types": ["toy2"], "layers": ["h"], "linears": ["x"]})");
  directory.write("models/c.json", "[]");
  const auto all = load_model_specs(real_file_system(), directory / "models");
  REQUIRE_FALSE(all.ok());
  CHECK(all.error().messages.size() == 2);
  CHECK(all.error().text().find("b.json: model_types: \"toy2\" is served by") != std::string::npos);
  CHECK(all.error().text().find("c.json: is not an object") != std::string::npos);
}

}  // namespace
}  // namespace thaw
