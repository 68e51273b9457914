// specs/awq.md clauses 9.3 and 9.9: scales of activations, and modules that are copied unread.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "quant/linears.h"
#include "quant/model_files.h"

namespace thaw {
namespace {

using test::ZeroTensor;

const std::vector<ZeroTensor> kGemm = {{"ours.qweight", "I32", {64, 2}},
                                       {"ours.qzeros", "I32", {2, 2}},
                                       {"ours.scales", "F16", {2, 16}},
                                       {"ours.bias", "F16", {16}}};

std::vector<ZeroTensor> with_gemm(std::vector<ZeroTensor> tensors) {
  tensors.insert(tensors.end(), kGemm.begin(), kGemm.end());
  return tensors;
}

struct Row {
  std::string name;
  std::vector<ZeroTensor> tensors;
  std::vector<std::string> copied;  // their names, sorted
};

const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      {"scales of float8 beside bfloat16",
       {{"m.weight", "BF16", {16, 64}},
        {"m.weight_scale_inv", "F32", {1, 1}},
        {"m.bias", "BF16", {16}}},
       {"m.bias", "m.weight", "m.weight_scale_inv"}},
      {"bytes with bfloat16 scales",
       {{"m.weight", "U8", {16, 64}}, {"m.weight_scale", "BF16", {16, 1}}},
       {"m.weight", "m.weight_scale"}},
      {"bitsandbytes",
       {{"m.weight", "U8", {512, 1}},
        {"m.weight.absmax", "F32", {16}},
        {"m.weight.quant_map", "F32", {16}}},
       {"m.weight", "m.weight.absmax", "m.weight.quant_map"}},
      {"packed codes of nobody", {{"m.weight_packed", "I16", {16, 32}}}, {"m.weight_packed"}},
      {"MLX",
       {{"m.weight", "U32", {2, 16, 8}}, {"m.scales", "U8", {2, 16, 2}}},
       {"m.scales", "m.weight"}},
      {"shapes of no layout",
       {{"m.qweight", "I32", {100, 10}}, {"m.scales", "F16", {7, 30}}},
       {"m.qweight", "m.scales"}},
      {"a neighbour whose name begins alike",
       {{"m.weight", "U8", {16, 64}}, {"m.SCB", "F32", {16}}, {"m2.weight", "F16", {4}}},
       {"m.SCB", "m.weight"}},
      {"a module below", {{"m.W_q", "U8", {16, 32}}, {"m.a.weight", "F16", {4}}}, {"m.W_q"}},
  };
  return all;
}

TEST_CASE("copy_unknown: all tensors of a module that is none of ours, and no other") {
  for (const Row& row : rows()) {
    CAPTURE(row.name);
    const test::ModelDirectory directory;
    directory.write_model("{}", with_gemm(row.tensors));
    const Checkpoint checkpoint = directory.open();
    CHECK_FALSE(find_quantized_linears(checkpoint).ok());
    const auto found = find_quantized_linears(checkpoint, {.copy_unknown = true});
    REQUIRE_MESSAGE(found.ok(), (found.ok() ? "" : found.error().text()));
    CHECK(found.value().linears.size() == 1);
    std::vector<std::string> copied;
    for (std::size_t i = 0; i < checkpoint.tensors().size(); ++i) {
      if (found.value().consumed[i] == 2) copied.emplace_back(checkpoint.tensors()[i].name);
    }
    CHECK(copied == row.copied);
    REQUIRE(found.value().warnings.size() == 1);
    for (const std::string& name : row.copied) {
      CHECK(found.value().warnings[0].find(name) != std::string::npos);
    }
  }
}

TEST_CASE("copy_unknown: the warning lists twenty and counts the rest") {
  std::vector<ZeroTensor> tensors;
  for (int i = 0; i < 30; ++i) {
    tensors.push_back({std::string("m").append(std::to_string(i)).append(".W_q"), "U8", {4, 4}});
  }
  const test::ModelDirectory directory;
  directory.write_model("{}", with_gemm(tensors));
  const Checkpoint checkpoint = directory.open();
  const auto found = find_quantized_linears(checkpoint, {.copy_unknown = true});
  REQUIRE(found.ok());
  REQUIRE(found.value().warnings.size() == 1);
  const std::string& warning = found.value().warnings[0];
  CHECK(warning.find("30 tensors are copied unchanged") == 0);
  CHECK(warning.find("m0.W_q, m1.W_q, m10.W_q") != std::string::npos);
  CHECK(warning.find(" and 10 more") != std::string::npos);
}

TEST_CASE("copy_unknown: damage, adapters and rotations stay errors") {
  for (const ZeroTensor& tensor : std::vector<ZeroTensor>{{"m.qzeros", "I32", {2, 2}},
                                                          {"m.lora_A.weight", "F16", {4, 8}},
                                                          {"m.input_rotation", "F16", {8, 8}},
                                                          {"m.qweight", "I32", {64, 2}}}) {
    CAPTURE(tensor.name);
    const test::ModelDirectory directory;
    directory.write_model("{}", with_gemm({tensor}));
    CHECK_FALSE(find_quantized_linears(directory.open(), {.copy_unknown = true}).ok());
  }
}

TEST_CASE("activation scales are told from other parameters called scales") {
  struct ScalesRow {
    const char* name;
    std::vector<ZeroTensor> tensors;
    bool activation;
  };
  for (const ScalesRow& row : std::vector<ScalesRow>{
           {"float16", {{"a.scales", "F16", {8}}}, true},
           {"bfloat16", {{"a.scales", "BF16", {8}}}, true},
           {"float32 of some module", {{"a.scales", "F32", {8}}}, false},
           {"float32 of an activation", {{"mlp.act.scales", "F32", {8}}}, true},
           {"bloom's name, an odd type", {{"mlp.gelu_impl.scales", "I32", {8}}}, true},
           {"an odd shape", {{"mlp.act.scales", "F32", {2, 4}}}, true},
           {"beside a weight", {{"a.scales", "F16", {8}}, {"a.weight", "F16", {8}}}, false},
           {"at the top", {{"scales", "F16", {8}}}, false}}) {
    CAPTURE(std::string(row.name));
    const test::ModelDirectory directory;
    directory.write_model("{}", with_gemm(row.tensors));
    const Checkpoint checkpoint = directory.open();
    const auto found = find_quantized_linears(checkpoint);
    REQUIRE_MESSAGE(found.ok(), (found.ok() ? "" : found.error().text()));
    CHECK(found.value().activation_scales.size() == (row.activation ? 1 : 0));
  }
}

TEST_CASE("contradictions: what the config says and the shapes deny") {
  const test::ModelDirectory directory;
  directory.write_model(
      R"({"quantization_config": {"bits": 4, "version": "gemv", "group_size": 128}})", kGemm);
  const Checkpoint checkpoint = directory.open();
  const auto found = find_quantized_linears(checkpoint);
  REQUIRE(found.ok());
  CHECK(contradictions(found.value().config, found.value().linears[0]) ==
        std::vector<std::string>{"version gemv, AWQ GEMM by shape", "group_size 128, 32 by shape"});
}

TEST_CASE("lists of modules left float are not believed") {
  const std::vector<ZeroTensor> tensors = {{"l.0.up.qweight", "I32", {64, 2}},
                                           {"l.0.up.scales", "F16", {2, 16}},
                                           {"l.0.gate.weight", "F16", {8, 64}}};
  for (const char* list : {R"(["up", "l.0"])", "[]", "null", R"(["gate"])"}) {
    CAPTURE(std::string(list));
    const test::ModelDirectory directory;
    directory.write_model(R"({"quantization_config": {"quant_method": "awq", "group_size": 32,
                              "modules_to_not_convert": )" +
                              std::string(list) + "}}",
                          tensors);
    const Checkpoint checkpoint = directory.open();
    const auto found = find_quantized_linears(checkpoint);
    REQUIRE(found.ok());
    REQUIRE(found.value().linears.size() == 1);
    CHECK(found.value().linears[0].module == "l.0.up");
  }
}

TEST_CASE("contradictions: zero points and their flag, widths and methods") {
  const std::vector<ZeroTensor> gptq = {
      {"m.qweight", "I32", {16, 16}}, {"m.qzeros", "I32", {2, 4}}, {"m.scales", "F16", {2, 16}}};
  const std::vector<ZeroTensor> symmetric = {{"m.qweight", "I32", {64, 2}},
                                             {"m.scales", "F16", {2, 16}}};
  const std::vector<ZeroTensor> asymmetric = {
      {"m.qweight", "I32", {64, 2}}, {"m.qzeros", "I32", {2, 2}}, {"m.scales", "F16", {2, 16}}};
  const std::vector<ZeroTensor> compressed = {{"m.weight_packed", "I32", {16, 8}},
                                              {"m.weight_scale", "F16", {16, 2}},
                                              {"m.weight_zero_point", "I8", {16, 2}}};
  struct ClaimRow {
    const char* name;
    std::string config;
    std::vector<ZeroTensor> tensors;
    std::vector<std::string> expected;
  };
  for (const ClaimRow& row : std::vector<ClaimRow>{
           {"awq, zero points",
            R"({"quant_method": "awq", "group_size": 32, "zero_point": false})",
            asymmetric,
            {"zero_point false, zero points are stored and used"}},
           {"awq, no zero points",
            R"({"quant_method": "awq", "group_size": 32, "zero_point": true})",
            symmetric,
            {"zero_point true, no zero points are stored"}},
           {"awq, as it says",
            R"({"quant_method": "awq", "group_size": 32, "zero_point": false})",
            symmetric,
            {}},
           {"awq, nothing said", R"({"quant_method": "awq", "group_size": 32})", symmetric, {}},
           {"gptq of the other width",
            R"({"quant_method": "gptq", "bits": 4, "group_size": 32})",
            gptq,
            {"bits 4, 8 by shape"}},
           {"gptq that is awq",
            R"({"quant_method": "gptq", "bits": 4, "group_size": 32})",
            symmetric,
            {"method gptq, AWQ GEMM by shape"}},
           {"compressed-tensors",
            R"({"config_groups": {"a": {"weights": {"num_bits": 4, "group_size": 32,
                "symmetric": true}}}})",
            compressed,
            {"symmetric true, zero points are stored and used"}}}) {
    CAPTURE(row.name);
    const test::ModelDirectory directory;
    directory.write_model(R"({"quantization_config": )" + row.config + "}", row.tensors);
    const Checkpoint checkpoint = directory.open();
    const auto found = find_quantized_linears(checkpoint);
    REQUIRE_MESSAGE(found.ok(), (found.ok() ? "" : found.error().text()));
    CHECK(contradictions(found.value().config, found.value().linears[0]) == row.expected);
  }
}

TEST_CASE("adapters that the model itself has are ordinary tensors, and no others") {
  const std::vector<ZeroTensor> tensors = {{"layers.0.up.lora_A.vision.weight", "BF16", {4, 16}},
                                           {"layers.0.up.lora_A.mine.weight", "BF16", {4, 16}}};
  const test::ModelDirectory directory;
  directory.write_model("{}", with_gemm(tensors));
  const Checkpoint checkpoint = directory.open();
  std::vector<std::string> asked;
  const auto vision = [&](std::string_view tensor) {
    asked.emplace_back(tensor);
    return tensor.find(".vision.") != std::string_view::npos;
  };
  const auto found = find_quantized_linears(checkpoint, {.is_part_of_model = vision});
  REQUIRE_FALSE(found.ok());
  CHECK(found.error().messages.size() == 1);
  CHECK(found.error().text().find("lora_A.mine.weight") != std::string::npos);
  CHECK(asked.size() == 2);  // of no other tensors

  const auto all = find_quantized_linears(
      checkpoint, {.is_part_of_model = [](std::string_view) { return true; }});
  REQUIRE_MESSAGE(all.ok(), (all.ok() ? "" : all.error().text()));
  CHECK(all.value().linears.size() == 1);
  CHECK(names_adapter("a.lora_B.weight"));
  CHECK_FALSE(names_adapter("a.lora_Bx.weight"));
}

}  // namespace
}  // namespace thaw
