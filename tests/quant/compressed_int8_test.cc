// specs/compressed_tensors.md clause 8: weights of signed bytes.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "quant/linears.h"
#include "quant/model_files.h"

namespace thaw {
namespace {

using Tensors = std::vector<test::ZeroTensor>;

std::string config(const std::string& weights, const std::string& format = "int-quantized") {
  return R"({"quantization_config": {"quant_method": "compressed-tensors", "format": ")" + format +
         R"(", "config_groups": {"g": {"targets": ["Linear"], "weights": {)" + weights + "}}}}}";
}

const std::string kChannel =
    config(R"("num_bits": 8, "type": "int", "symmetric": true, "strategy": "channel")");
const std::string kGroup32 =
    config(R"("num_bits": 4, "type": "int", "strategy": "group", "group_size": 32)");
const test::ZeroTensor kWeight = {"m.weight", "I8", {16, 64}};

struct GoodRow {
  std::string name;
  std::string config;
  Tensors tensors;
  std::uint64_t group_size;
  std::string warning = {};
};

const std::vector<GoodRow>& good_rows() {
  static const std::vector<GoodRow> rows = {
      {"by channel", kChannel, {kWeight, {"m.weight_scale", "BF16", {16, 1}}}, 64},
      {"by channel, one dimension", kChannel, {kWeight, {"m.weight_scale", "F32", {16}}}, 64},
      {"by group", kGroup32, {kWeight, {"m.weight_scale", "F16", {16, 2}}}, 32},
      {"by tensor",
       config(R"("num_bits": 8, "strategy": "tensor")"),
       {kWeight, {"m.weight_scale", "BF16", {1}}},
       64},
      {"by tensor, no dimension",
       config(R"("num_bits": 8, "strategy": "tensor")"),
       {kWeight, {"m.weight_scale", "F32", {}}},
       64},
      {"asymmetric",
       config(R"("num_bits": 8, "symmetric": false, "strategy": "channel")"),
       {kWeight,
        {"m.weight_scale", "BF16", {16, 1}},
        {"m.weight_zero_point", "I8", {16, 1}},
        {"m.bias", "BF16", {16}}},
       64},
      {"a shorter last group",
       kGroup32,
       {{"m.weight", "I8", {16, 80}}, {"m.weight_scale", "BF16", {16, 3}}},
       32},
      {"no config at all", "", {kWeight, {"m.weight_scale", "BF16", {16, 4}}}, 16},
      {"experts",
       kChannel,
       {{"m.weight", "I8", {2, 8, 64}}, {"m.weight_scale", "BF16", {2, 8, 1}}},
       64},
      {"the config packs its codes in words",
       config(R"("num_bits": 8, "strategy": "channel")", "pack-quantized"),
       {kWeight, {"m.weight_scale", "BF16", {16, 1}}},
       64,
       "no group that fits the shapes of 1 module (m: 8 bits in groups of 64)"},
      {"activations",
       kChannel,
       {kWeight, {"m.weight_scale", "BF16", {16, 1}}, {"m.input_scale", "BF16", {1}}},
       64,
       "the scales of quantized activations are left out in 1 module"},
  };
  return rows;
}

TEST_CASE("int-quantized: every strategy is recognised, and all of its tensors are consumed") {
  for (const GoodRow& row : good_rows()) {
    CAPTURE(row.name);
    const test::ModelDirectory directory;
    directory.write_model(row.config, row.tensors);
    const Checkpoint checkpoint = directory.open();
    CHECK(looks_quantized(checkpoint));
    Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
    REQUIRE_MESSAGE(result.ok(), result.error().text());
    REQUIRE(result.value().linears.size() == 1);
    const QuantizedLinear& linear = result.value().linears[0];
    CHECK(linear.layout->id == LayoutId::ct_int8);
    CHECK(title_of(linear) == "compressed-tensors int8");
    CHECK(linear.bits == 8);
    CHECK(linear.out_features == 16);
    CHECK(linear.in_features == checkpoint.find("m.weight")->shape.back());
    CHECK(linear.group_size == row.group_size);
    CHECK(linear.is_symmetric() == (checkpoint.find("m.weight_zero_point") == nullptr));
    for (std::size_t i = 0; i < row.tensors.size(); ++i) {
      const bool bias = checkpoint.tensors()[i].name == "m.bias";
      CHECK(result.value().consumed[i] == (bias ? 0 : 1));
    }
    std::vector<std::string> warnings = result.value().warnings;
    const std::vector<std::string>& notes = result.value().notes;
    warnings.insert(warnings.end(), notes.begin(), notes.end());
    REQUIRE(warnings.size() == (row.warning.empty() ? 0 : 1));
    if (warnings.empty()) continue;
    CHECK_MESSAGE(warnings[0].find(row.warning) != std::string::npos, warnings[0]);
  }
}

struct BadRow {
  std::string name;
  std::string config;
  Tensors tensors;
  std::string expected;
};

const std::vector<BadRow>& bad_rows() {
  static const std::vector<BadRow> rows = {
      {"scales of another number of rows",
       kChannel,
       {kWeight, {"m.weight_scale", "BF16", {8, 1}}},
       "m: compressed-tensors int8: weight_scale: got BF16 [8, 1], expected F16, BF16 or F32 [16]"},
      {"scales of blocks",
       kChannel,
       {{"m.weight", "I8", {256, 256}}, {"m.weight_scale", "BF16", {2, 2}}},
       "weight_scale: got BF16 [2, 2], expected F16, BF16 or F32 [256]"},
      {"scales of integers",
       kChannel,
       {kWeight, {"m.weight_scale", "I32", {16, 1}}},
       "weight_scale: got I32 [16, 1]"},
      {"groups that fit nothing",
       kChannel,
       {kWeight, {"m.weight_scale", "BF16", {16, 3}}},
       "weight_scale: got 3 groups, expected a divisor of the 64 input features"},
      {"more groups than inputs",
       kChannel,
       {kWeight, {"m.weight_scale", "BF16", {16, 65}}},
       "weight_scale: got 65 groups"},
      {"no scale at all in one",
       kChannel,
       {kWeight, {"m.weight_scale", "BF16", {16, 0}}},
       "a packed tensor without elements"},
      {"packed zeros",
       kChannel,
       {kWeight, {"m.weight_scale", "BF16", {16, 1}}, {"m.weight_zero_point", "I32", {4, 1}}},
       "weight_zero_point: got I32 [4, 1], expected I8 [16, 1]"},
      {"zeros of floats",
       kChannel,
       {kWeight, {"m.weight_scale", "BF16", {16, 1}}, {"m.weight_zero_point", "BF16", {16, 1}}},
       "weight_zero_point: got BF16 [16, 1], expected I8 [16, 1]"},
      {"zeros that were dropped",
       config(R"("num_bits": 8, "symmetric": false)"),
       {kWeight, {"m.weight_scale", "BF16", {16, 1}}},
       "no weight_zero_point, although the config says that it is not symmetric"},
      {"one dimension",
       kChannel,
       {{"m.weight", "I8", {16}}, {"m.weight_scale", "BF16", {16, 1}}},
       "weight must have 2 dimensions, or 3 with experts"},
      {"words besides",
       kChannel,
       {kWeight, {"m.weight_packed", "I32", {16, 16}}, {"m.weight_scale", "BF16", {16, 1}}},
       "a weight beside the weight_packed"},
      {"a qweight besides",
       kChannel,
       {kWeight, {"m.weight_scale", "BF16", {16, 1}}, {"m.qweight", "I32", {64, 2}}},
       "a qweight beside the weight"},
      {"a bias of another shape",
       kChannel,
       {kWeight, {"m.weight_scale", "BF16", {16, 1}}, {"m.bias", "BF16", {15}}},
       "bias: got BF16 [15], expected the shape [16]"},
      {"unsigned bytes",
       kChannel,
       {{"m.weight", "U8", {16, 64}}, {"m.weight_scale", "BF16", {16, 1}}},
       "the quantization method uint8 with weight_scale, as ModelOpt packs integers of 4 bits, is "
       "not supported"},
  };
  return rows;
}

TEST_CASE("int-quantized: modules that lie are refused, and say why") {
  for (const BadRow& row : bad_rows()) {
    CAPTURE(row.name);
    const test::ModelDirectory directory;
    directory.write_model(row.config, row.tensors);
    const Checkpoint checkpoint = directory.open();
    const Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
    REQUIRE(!result.ok());
    CHECK(result.error().code == ErrorCode::input);
    CHECK_MESSAGE(result.error().text().find(row.expected) != std::string::npos,
                  result.error().text());
  }
}

TEST_CASE("int-quantized: weights of bytes without scales are none of its modules") {
  const test::ModelDirectory directory;
  directory.write_model(kChannel, {kWeight});
  CHECK(!looks_quantized(directory.open()));
}

}  // namespace
}  // namespace thaw
