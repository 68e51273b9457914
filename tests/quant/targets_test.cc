// specs/compressed_tensors.md clause 6.6: which config group a module belongs to by its name, what
// that decides, and where it is contradicted.
#include "quant/targets.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "quant/linears.h"
#include "quant/model_files.h"

namespace thaw {
namespace {

struct Entry {
  const char* name;
  std::size_t value;
};

TEST_CASE("NameList: names before patterns before classes, patterns in the order of their text") {
  struct Row {
    const char* what;
    std::vector<Entry> entries;
    const char* module;
    int found;  // -1: nothing
  };
  for (const Row& row :
       std::vector<Row>{{"a class", {{"Linear", 1}}, "model.a", 1},
                        {"the class of servers", {{"LinearBase", 1}}, "model.a", 1},
                        {"another class", {{"Embedding", 1}}, "model.a", -1},
                        {"the whole name", {{"model.a", 1}}, "model.a", 1},
                        {"not a part of it", {{"model.a", 1}}, "model.a.b", -1},
                        {"not its end", {{"a", 1}}, "model.a", -1},
                        {"a pattern", {{"re:.*[.]a$", 1}}, "model.a", 1},
                        {"a pattern matches the beginning", {{"re:model", 1}}, "model.a", 1},
                        {"a pattern does not match in the middle", {{"re:a", 1}}, "model.a", -1},
                        {"a name before a pattern", {{"re:.*", 1}, {"model.a", 2}}, "model.a", 2},
                        {"a pattern before a class", {{"Linear", 1}, {"re:.*a", 2}}, "model.a", 2},
                        {"a class for the rest", {{"Linear", 1}, {"re:.*a", 2}}, "model.b", 1},
                        {"patterns by their text", {{"re:model", 1}, {"re:.*", 2}}, "model.a", 2},
                        {"the last of equal targets", {{"Linear", 1}, {"Linear", 2}}, "model.a", 2},
                        {"the last of equal patterns", {{"re:.*", 1}, {"re:.*", 2}}, "model.a", 2},
                        {"the module without a name", {{"re:.*", 1}}, "", 1},
                        {"nothing", {}, "model.a", -1}}) {
    CAPTURE(row.what);
    NameList list;
    for (const Entry& entry : row.entries) REQUIRE(list.add(entry.name, entry.value).ok());
    list.finish();
    const std::optional<std::size_t> found = list.find(row.module);
    CHECK((found.has_value() ? static_cast<int>(*found) : -1) == row.found);
    CHECK_FALSE(list.exhausted());
  }
}

TEST_CASE("NameList: patterns that would take for ever are not begun") {
  NameList list;
  REQUIRE(list.add("re:(?=(.*){30}x).{900}y", 0).ok());
  list.finish();
  CHECK_FALSE(list.find("model.layers.0").has_value());
  CHECK_FALSE(list.exhausted());
  CHECK_FALSE(list.find(std::string(2000, 'm')).has_value());
  CHECK(list.exhausted());
}

// A module of 16 rows and 8 words: 64 inputs of 4 bits or 32 of 8. Without a shape, neither is
// told by it.
std::vector<test::ZeroTensor> module_of(const std::string& name, std::uint64_t groups) {
  return {{name + ".weight_packed", "I32", {16, 8}}, {name + ".weight_scale", "F16", {16, groups}}};
}

test::ZeroTensor shape_of(const std::string& name, std::int64_t inputs) {
  const std::vector<std::int64_t> shape = {16, inputs};
  return {name + ".weight_shape",
          "I64",
          {2},
          {reinterpret_cast<const char*>(shape.data()), shape.size() * 8}};
}

std::string config(const std::string& members) {
  return R"({"quantization_config": {"quant_method": "compressed-tensors",
             "format": "mixed-precision", )" +
         members + "}}";
}

// Two groups that the shapes of such a module fit alike.
const char* const kTwoWidths = R"("config_groups": {
    "group_0": {"format": "pack-quantized", "targets": ["re:.*self_attn.*"],
                "weights": {"num_bits": 8, "strategy": "channel"}},
    "group_1": {"format": "pack-quantized", "targets": ["Linear"],
                "weights": {"num_bits": 4, "strategy": "channel"}}})";

struct Row {
  std::string name;
  std::string config;
  std::string module;
  std::uint64_t groups = 1;
  std::int64_t said_inputs = 0;  // by weight_shape; 0: none
  std::uint32_t bits = 4;
  std::uint64_t group_size = 64;
  std::string warning = {};
  std::vector<std::string> contradictions = {};
};

TEST_CASE("targets: the group of a module's name decides what its shapes leave open") {
  const std::vector<Row> rows = {
      {"by a pattern", config(kTwoWidths), "l.0.self_attn.q_proj", 1, 0, 8, 32},
      {"by the class", config(kTwoWidths), "l.0.mlp.up_proj"},
      {"by the name", config(R"("config_groups": {
          "a": {"targets": ["Linear"], "weights": {"num_bits": 4, "strategy": "channel"}},
          "b": {"targets": ["l.0.up"], "weights": {"num_bits": 8, "strategy": "channel"}}})"),
       "l.0.up", 1, 0, 8, 32},
      {"by a class that no file tells, the one that its shapes fit", config(R"("config_groups": {
          "a": {"targets": ["Router"], "weights": {"num_bits": 8, "group_size": 16}},
          "b": {"targets": ["Experts"], "weights": {"num_bits": 4, "group_size": 16}}})"),
       "l.0.up", 2, 0, 8, 16},
      {"groups of one width and another size", config(R"("config_groups": {
          "a": {"targets": ["re:.*down"], "weights": {"num_bits": 4, "group_size": 48}},
          "b": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 32}}})"),
       "l.0.down", 2, 64, 4, 48},
      {"tensors of the other width",
       config(kTwoWidths),
       "l.0.self_attn.q_proj",
       1,
       64,
       4,
       64,
       "another group for the names than for the shapes of 1 module (l.0.self_attn.q_proj: 4 bits "
       "in groups of 64); the shapes are believed",
       {"bits 8, 4 by shape"}},
      {"shapes that only another group fits",
       config(R"("config_groups": {
          "a": {"targets": ["re:.*up"], "weights": {"num_bits": 8, "group_size": 32}},
          "b": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 32}}})"),
       "l.0.up",
       2,
       0,
       4,
       32,
       "another group for the names than for the shapes of 1 module",
       {"bits 8, 4 by shape"}},
      {"groups of another size",
       config(R"("config_groups": {
          "a": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 16}}})"),
       "l.0.up",
       2,
       64,
       4,
       32,
       "has no group that fits the shapes of 1 module",
       {"group_size 16, 32 by shape"}},
      {"no target names it",
       config(R"("config_groups": {
          "a": {"targets": ["re:.*down"], "weights": {"num_bits": 4, "group_size": 32}}})"),
       "l.0.up",
       2,
       0,
       4,
       32,
       "no target of config.json: quantization_config names 1 module (l.0.up",
       {"of no config group that it is for this name"}},
      {"a group of another format names it",
       config(R"("config_groups": {
          "a": {"format": "float-quantized", "targets": ["re:.*up"], "weights": {"num_bits": 8,
                "type": "float"}},
          "b": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 32}}})"),
       "l.0.up",
       2,
       0,
       4,
       32,
       "no target of config.json: quantization_config names 1 module",
       {"of no config group that it is for this name"}},
      {"ignored by name",
       config(std::string(kTwoWidths) + R"(, "ignore": ["l.0.up", "lm_head"])"),
       "l.0.up",
       1,
       0,
       4,
       64,
       "ignores, by name, 1 module (l.0.up: 4 bits in groups of 64), packed all the same; it is "
       "read",
       {"that it is not quantized, its tensors are"}},
      {"ignored by a pattern",
       config(std::string(kTwoWidths) + R"(, "ignore": ["re:.*up", "re:vision.*"])"),
       "l.0.up",
       1,
       0,
       4,
       64,
       "ignores, by name, 1 module",
       {"that it is not quantized, its tensors are"}},
      {"others are ignored",
       config(std::string(kTwoWidths) + R"(, "ignore": ["lm_head", "re:.*gate$"])"), "l.0.up"},
      {"nothing is ignored", config(std::string(kTwoWidths) + R"(, "ignore": null)"), "l.0.up"},
      {"a pattern that is not understood", config(R"("config_groups": {
          "a": {"targets": ["re:(?<x>.*)up"], "weights": {"num_bits": 4, "group_size": 32}},
          "b": {"targets": ["Linear"], "weights": {"num_bits": 8, "group_size": 32}}})"),
       "l.0.up", 2, 0, 4, 32,
       "config_groups.a.targets: the pattern \"(?<x>.*)up\" is not understood: a kind of group "
       "that thaw does not know; shapes tell in its place"},
      {"an ignored pattern that is not understood",
       config(std::string(kTwoWidths) + R"(, "ignore": ["re:("])"), "l.0.self_attn.q", 1, 0, 8, 32,
       "ignore: the pattern \"(\" is not understood"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    std::vector<test::ZeroTensor> tensors = module_of(row.module, row.groups);
    if (row.said_inputs != 0) tensors.push_back(shape_of(row.module, row.said_inputs));
    const test::ModelDirectory directory;
    directory.write_model(row.config, tensors);
    const Checkpoint checkpoint = directory.open();
    const Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
    REQUIRE_MESSAGE(result.ok(), result.error().text());
    const QuantizedLinears& found = result.value();
    REQUIRE(found.linears.size() == 1);
    CHECK(found.linears[0].bits == row.bits);
    CHECK(found.linears[0].group_size == row.group_size);
    CHECK(contradictions(found.config, found.linears[0]) == row.contradictions);
    REQUIRE(found.warnings.size() == (row.warning.empty() ? 0 : 1));
    if (row.warning.empty()) continue;
    CHECK_MESSAGE(found.warnings[0].find(row.warning) != std::string::npos, found.warnings[0]);
  }
}

TEST_CASE("targets: one checkpoint of two widths that no shape tells: each module by its name") {
  std::vector<test::ZeroTensor> tensors;
  for (const char* module : {"l.0.mlp.up", "l.0.self_attn.q", "l.1.mlp.up", "l.1.self_attn.q"}) {
    for (test::ZeroTensor& tensor : module_of(module, 1)) tensors.push_back(std::move(tensor));
  }
  const test::ModelDirectory directory;
  directory.write_model(config(kTwoWidths), tensors);
  const Checkpoint checkpoint = directory.open();
  const Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
  REQUIRE_MESSAGE(result.ok(), result.error().text());
  CHECK(result.value().warnings.empty());
  std::vector<std::uint64_t> inputs;
  for (const QuantizedLinear& linear : result.value().linears) inputs.push_back(linear.in_features);
  CHECK(inputs == std::vector<std::uint64_t>{64, 32, 64, 32});
}

TEST_CASE("targets: dropped zero points are told by the group of the name") {
  const std::string groups = R"("config_groups": {
      "a": {"targets": ["re:.*up"], "weights": {"num_bits": 4, "group_size": 32,
            "symmetric": false}},
      "b": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 32,
            "symmetric": true}}})";
  for (const bool asymmetric : {true, false}) {
    CAPTURE(asymmetric);
    const test::ModelDirectory directory;
    directory.write_model(config(groups), module_of(asymmetric ? "l.0.up" : "l.0.down", 2));
    const Checkpoint checkpoint = directory.open();
    const Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
    REQUIRE(result.ok() == !asymmetric);
    if (result.ok()) continue;
    CHECK(result.error().text().find("no weight_zero_point, although the config says") !=
          std::string::npos);
  }
}

TEST_CASE("targets: hostile patterns are refused, and soon") {
  const std::string targets = R"("re:(?=(.*){60}x).{900}y", )";
  const std::vector<test::ZeroTensor> tensors = module_of(std::string(2000, 'm'), 1);
  const test::ModelDirectory directory;
  directory.write_model(
      config(R"("config_groups": {"a": {"weights": {"num_bits": 4}, "targets": [)" + targets +
             R"("Linear"]}})"),
      tensors);
  const Checkpoint checkpoint = directory.open();
  const Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().text().find("take too long to match") != std::string::npos);
}

}  // namespace
}  // namespace thaw
