// specs/compressed_tensors.md clause 6.
#include "quant/compressed_config.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "quant/config.h"
#include "quant/model_files.h"

namespace thaw {
namespace {

Result<QuantConfig> read(const std::string& config_json) {
  const test::ModelDirectory directory;
  directory.write_model(config_json, {{"model.norm.weight", "F16", {8}}});
  const Checkpoint checkpoint = directory.open();
  return read_quant_config(checkpoint);
}

// A config of one group, with further members of the config and of its weights.
std::string config(const std::string& weights, const std::string& more = "",
                   const std::string& group = "") {
  return R"({"quantization_config": {"quant_method": "compressed-tensors", "version": "0.13.0",)"
         R"("transform_config": {}, "sparsity_config": {}, )" +
         more + R"( "config_groups": {"group_0": {)" + group +
         R"("targets": ["Linear"], "weights": {)" + weights + "}}}}}";
}

struct GoodRow {
  std::string name;
  std::string config;
  std::vector<CompressedGroup> groups;
  std::string source = "config.json: quantization_config";
};

const std::vector<GoodRow>& good_rows() {
  static const std::vector<GoodRow> rows = {
      {"llm-compressor",
       config(R"("num_bits": 4, "type": "int", "symmetric": false, "strategy": "group",
                 "group_size": 64, "actorder": null)",
              R"("format": "pack-quantized", "ignore": ["lm_head"],)"),
       {{4, 64, false, CodeForm::words}}},
      {"by channel",
       config(R"("num_bits": 8, "strategy": "channel", "group_size": null, "symmetric": true)"),
       {{8, -1, true}}},
      {"by tensor", config(R"("num_bits": 8, "strategy": "TENSOR")"), {{8, -1, {}}}},
      {"almost nothing is said", config(R"("actorder": "group")"), {{{}, {}, {}}}},
      {"no groups",
       R"({"quantization_config": {"quant_method": "compressed-tensors",
           "format": "pack-quantized"}})",
       {}},
      {"no method",
       R"({"quantization_config": {"config_groups": {"a": {"weights": {"num_bits": 4}}}}})",
       {{4, {}, {}}}},
      {"LLMC",
       R"({"compression_config": {"quant_method": "compressed-tensors", "config_groups":
           {"group_0": {"weights": {"num_bits": 4, "group_size": 128, "symmetric": true}}}}})",
       {{4, 128, true}},
       "config.json: compression_config"},
      {"a part of a model",
       R"({"text_config": {"quantization_config": {"quant_method": "compressed-tensors",
           "config_groups": {"group_0": {"weights": {"num_bits": 4}}}}}})",
       {{4, {}, {}}},
       "config.json: text_config.quantization_config"},
      {"mixed precision: groups of every format that is read",
       R"({"quantization_config": {"quant_method": "compressed-tensors",
           "format": "mixed-precision", "config_groups": {
             "a": {"format": "pack-quantized", "weights": {"num_bits": 4, "group_size": 32}},
             "b": {"format": "float-quantized", "weights": {"num_bits": 8, "type": "float"}},
             "c": {"weights": {"num_bits": 8, "type": "float", "strategy": "block",
              "block_structure": [64, 128]}},
             "d": {"format": "pack-quantized", "weights": {"num_bits": 8, "group_size": -1}},
             "e": {"weights": null}, "f": null, "W4A16": ["Linear"]}}})",
       {{4, 32, {}, CodeForm::words},
        {8, {}, {}, CodeForm::elements},
        {8, 128, {}, CodeForm::elements, 64},
        {8, -1, {}, CodeForm::words}}},
      {"float8 in blocks",
       config(
           R"("num_bits": 8, "type": "float", "strategy": "block", "block_structure": [64, 128])",
           R"("format": "float-quantized",)"),
       {{8, 128, {}, CodeForm::elements, 64}}},
      {"float8 in the words of old releases",
       config(R"("num_bits": 8, "type": "float")", R"("format": "naive-quantized",)"),
       {{8, {}, {}, CodeForm::elements}}},
      {"mxfp4",
       config(R"("num_bits": 4, "type": "float", "strategy": "group", "group_size": 32)",
              R"("format": "mxfp4-pack-quantized",)"),
       {{4, 32, {}, CodeForm::elements}}},
      {"nvfp4, by group",
       config(R"("num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16)",
              R"("format": "mixed-precision",)", R"("format": "nvfp4-pack-quantized",)"),
       {{4, 16, {}, CodeForm::elements}}},
      {"a config in a config, as transformers wrapped it",
       R"({"quantization_config": {"quant_method": "compressed-tensors", "sparsity_config": {},
           "quantization_config": {"quant_method": "compressed-tensors", "config_groups":
           {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8}}}}}})",
       {{8, {}, {}}}},
      {"nested compression_config",
       R"({"text_config": {"compression_config": {"quant_method": "compressed-tensors",
           "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 32}}}}}})",
       {{4, 32, {}}},
       "config.json: text_config.compression_config"},
      {"4-bit weights with 8-bit activations",
       config(R"("num_bits": 4, "group_size": 128, "symmetric": true)",
              R"("format": "pack-quantized", "kv_cache_scheme": null,)",
              R"("input_activations": {"num_bits": 8, "type": "int", "dynamic": true},
                 "output_activations": null,)"),
       {{4, 128, true, CodeForm::words}}},
      {"codes in bytes",
       config(R"("num_bits": 8, "strategy": "channel", "symmetric": true)",
              R"("format": "int-quantized",)"),
       {{8, -1, true, CodeForm::bytes}}},
      {"codes of 3 bits in bytes, in the words of old releases",
       config(R"("num_bits": 3, "type": "int")", R"("format": "naive-quantized",)"),
       {{3, {}, {}, CodeForm::bytes}}},
      {"3 bits in words",
       config(R"("num_bits": 3)", R"("format": "pack-quantized",)"),
       {{3, {}, {}, CodeForm::words}}},
      {"by block",
       config(R"("num_bits": 4, "strategy": "block", "block_structure": [8, 16])",
              R"("format": "pack-quantized",)"),
       {{4, 16, {}, CodeForm::words, 8}}},
      {"a quantized cache besides",
       config(R"("num_bits": 4)", R"("kv_cache_scheme": {"num_bits": 8, "type": "float"},)"),
       {{4, {}, {}}}},
      {"dense, in the words of sparsity",
       R"({"quantization_config": {"quant_method": "compressed-tensors",
           "sparsity_config": {"format": "dense", "global_sparsity": 0.1}}})",
       {}},
  };
  return rows;
}

struct BadRow {
  std::string name;
  std::string config;
  std::string expected;
};

const std::vector<BadRow>& bad_rows() {
  static const std::vector<BadRow> rows = {
      {"0 bits", config(R"("num_bits": 0)"),
       "config_groups.group_0.weights.num_bits: got 0, expected 1 to 8"},
      {"9 bits", config(R"("num_bits": 9)"), "num_bits: got 9, expected 1 to 8"},
      {"blocks of nothing", config(R"("num_bits": 4, "strategy": "block")"),
       "weights.block_structure: got nothing, expected two numbers of 1 to 1048576"},
      {"blocks of one number", config(R"("strategy": "block", "block_structure": [8])"),
       "weights.block_structure: got an array, expected two numbers"},
      {"blocks of no rows", config(R"("strategy": "block", "block_structure": [0, 16])"),
       "weights.block_structure: got an array, expected two numbers"},
      {"blocks of words", config(R"("strategy": "block", "block_structure": "8x16")"),
       "weights.block_structure: got \"8x16\", expected two numbers"},
      {"targets as a string",
       R"({"quantization_config": {"config_groups": {"a": {"targets": "Linear",
           "weights": {"num_bits": 4}}}}})",
       "config_groups.a.targets: got \"Linear\", expected an array of strings"},
      {"targets of numbers",
       R"({"quantization_config": {"config_groups": {"a": {"targets": ["Linear", 4],
           "weights": {"num_bits": 4}}}}})",
       "config_groups.a.targets: got 4, expected an array of strings"},
      {"ignore as an object", config(R"("num_bits": 4)", R"("ignore": {},)"),
       "quantization_config.ignore: got an object, expected an array of strings"},
      {"codes in bytes, of 9 bits", config(R"("num_bits": 9)", R"("format": "int-quantized",)"),
       "num_bits: got 9, expected 1 to 8"},
      {"codes in bytes, of 0 bits", config(R"("num_bits": 0)", R"("format": "int-quantized",)"),
       "num_bits: got 0, expected 1 to 8"},
      {"codes in bytes, by a strategy of activations",
       config(R"("num_bits": 8, "strategy": "token")", R"("format": "int-quantized",)"),
       "strategy: got token, expected group, channel, tensor or block"},
      {"floats that claim to be codes in bytes",
       config(R"("num_bits": 8, "type": "float")", R"("format": "int-quantized",)"),
       "type: got float, expected int"},
      {"floats of 3 bits",
       config(R"("num_bits": 3, "type": "float")", R"("format": "naive-quantized",)"),
       "num_bits: got 3, expected 4 or 8"},
      {"bits as a string", config(R"("num_bits": "4")"),
       "num_bits: got \"4\", expected an integer"},
      {"group 0", config(R"("group_size": 0)"), "weights.group_size: got 0, expected -1 or 1 to"},
      {"group -2", config(R"("group_size": -2)"), "weights.group_size: got -2"},
      {"symmetric as a number", config(R"("symmetric": 1)"),
       "weights.symmetric: got 1, expected true or false"},
      {"groups of tensors", config(R"("strategy": "tensor_group")"),
       "weights.strategy: got tensor_group, expected group, channel, tensor or block"},
      {"floats", config(R"("type": "float")", R"("format": "pack-quantized",)"),
       "weights.type: got float, expected int"},
      {"nvfp4 of integers", config(R"("num_bits": 4)", R"("format": "nvfp4-pack-quantized",)"),
       "weights.type: got int, expected float"},
      {"mxfp4 of 8 bits",
       config(R"("num_bits": 8, "type": "float")", R"("format": "mixed-precision",)",
              R"("format": "mxfp4-pack-quantized",)"),
       "num_bits: got 8, expected 4"},
      {"marlin-24",
       R"({"quantization_config": {"quant_method": "compressed-tensors", "format": "marlin-24"}})",
       "compressed-tensors of the format marlin-24 is not supported"},
      {"mxfp6", config(R"("num_bits": 6, "type": "float")", R"("format": "mxfp6-quantized",)"),
       "compressed-tensors of the format mxfp6-quantized is not supported"},
      {"groups as an array", R"({"quantization_config": {"config_groups": []}})",
       "config_groups: got an array, expected an object"},
      {"a group as a number", R"({"quantization_config": {"config_groups": {"a": 4}}})",
       "config_groups.a: got 4, expected an object"},
      {"weights as an array",
       R"({"quantization_config": {"config_groups": {"a": {"weights": []}}}})",
       "config_groups.a.weights: got an array, expected an object"},
      {"format as a number", config(R"("num_bits": 4)", R"("format": 4,)"),
       "quantization_config.format: got 4, expected a string"},
      {"2:4 sparse",
       R"({"quantization_config": {"quant_method": "compressed-tensors",
           "sparsity_config": {"format": "sparse-24-bitmask"}}})",
       "sparsity_config: sparse weights (format: sparse-24-bitmask) are not supported"},
      {"sparse without a format",
       R"({"quantization_config": {"quant_method": "compressed-tensors",
           "sparsity_config": {"targets": ["Linear"]}}})",
       "sparse weights (format: not said)"},
      {"a transform",
       R"({"quantization_config": {"quant_method": "compressed-tensors",
           "transform_config": {"config_groups": {"u": {"type": "random-matrix"}}}}})",
       "transform_config: weights in a rotated basis are not supported"},
  };
  return rows;
}

TEST_CASE("compressed-tensors configs: the groups that are read") {
  for (const GoodRow& row : good_rows()) {
    CAPTURE(row.name);
    const Result<QuantConfig> result = read(row.config);
    REQUIRE_MESSAGE(result.ok(), result.error().text());
    const QuantConfig& got = result.value();
    CHECK(got.method == "compressed-tensors");
    const bool bytes = !row.groups.empty() && row.groups.front().form == CodeForm::bytes;
    CHECK(got.version == (bytes ? "int-quantized" : "pack-quantized"));
    CHECK(got.source == row.source);
    CHECK((got.compressed == row.groups));
    CHECK(got.warnings.empty());
  }
}

TEST_CASE("compressed-tensors configs: a wrong value: an error with the file and the key") {
  for (const BadRow& row : bad_rows()) {
    CAPTURE(row.name);
    const Result<QuantConfig> result = read(row.config);
    REQUIRE(!result.ok());
    CHECK(result.error().code == ErrorCode::input);
    const std::string text = result.error().text();
    CHECK_MESSAGE(text.find("/config.json: ") != std::string::npos, text);
    CHECK_MESSAGE(text.find(row.expected) != std::string::npos, text);
  }
}

TEST_CASE("compressed-tensors configs: two places that differ: the first is believed") {
  const Result<QuantConfig> result = read(
      R"({"quantization_config": {"config_groups": {"a": {"weights": {"num_bits": 4}}}},
          "compression_config": {"config_groups": {"a": {"weights": {"num_bits": 8}}}}})");
  REQUIRE(result.ok());
  CHECK((result.value().compressed == std::vector<CompressedGroup>{{4, {}, {}}}));
  REQUIRE(result.value().warnings.size() == 1);
  CHECK(result.value().warnings[0] ==
        "config.json: compression_config says other config_groups than a place before");
}

}  // namespace
}  // namespace thaw
