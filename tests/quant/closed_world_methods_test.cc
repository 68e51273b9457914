// specs/closed_world.md clauses 5 and 6: rotations, and what is said of other methods and formats.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "quant/closed_world.h"
#include "quant/closed_world_model.h"

namespace thaw {
namespace {

TEST_CASE("closed world: rotations that are fused leave matrices, others are refused") {
  const std::string spinquant = R"({"quantization_config": {"quant_method": "auto-round", "bits": 4,
      "group_size": 32, "sym": true, "packing_format": "auto_round:auto_gptq",
      "spinquant_config": {"r1": true, "r2": true, "r3": false, "rotation_size": 64, )";
  const std::string transforms = R"({"quantization_config": {"quant_method": "compressed-tensors",
      "config_groups": {"g": {"weights": {"num_bits": 4, "group_size": 32}}},
      "transform_config": {"config_groups": {"R1": {"type": "hadamard", "apply": [)";
  const Tensors left = {{"spinquant_R1", "F32", {64, 64}}, {"spinquant_R2_head", "F32", {16, 16}}};
  const Tensors submodules = {{"embed.R1_weight_output.weight", "F64", {64, 64}},
                              {"l.0.up.R1_weight_input.weight", "F64", {64, 64}},
                              {"l.0.up.R1_weight_input.perm", "I64", {64}}};
  struct RotationRow {
    const char* name;
    std::string config;
    Tensors tensors;
    std::size_t dropped;   // 0: it is refused
    std::string expected;  // in the message
  };
  const std::string basis = "weights in a rotated basis are not supported";
  for (const RotationRow& row : std::vector<RotationRow>{
           {"SpinQuant, fused", spinquant + R"("r4": false, "online_r1_rotation": false}}})",
            together(kGptq, left), 2, ""},
           {"SpinQuant, R4", spinquant + R"("r4": true, "online_r1_rotation": false}}})",
            together(kGptq, left), 0, "quantization_config.spinquant_config.r4: " + basis},
           {"SpinQuant, R1 at the inputs",
            spinquant + R"("r4": false, "online_r1_rotation": true}}})", together(kGptq, left), 0,
            "spinquant_config.online_r1_rotation: " + basis},
           {"SpinQuant, R4 by the tensors", spinquant + R"("r4": false}}})",
            together(kGptq, {{"l.0.up.spinquant_r4_type", "I32", {}}}), 0,
            "l.0.up.spinquant_r4_type: " + basis},
           {"SpinQuant, the matrix of R4", spinquant + R"("r4": false}}})",
            together(kGptq, {{"spinquant_R4_had_K", "F32", {4, 4}}}), 0,
            "spinquant_R4_had_K: " + basis},
           {"transforms in weights",
            transforms + R"({"location": "weight_input", "targets": ["Linear"]},
                            {"location": "weight_output", "targets": ["Embedding"]}]}}}}})",
            together(kCompressed, submodules), 3, ""},
           {"transforms in weights, nothing left",
            transforms + R"({"location": "weight_input", "targets": ["Linear"]}]}}}}})",
            kCompressed, 0, "accepted"},
           {"a transform at an input",
            transforms + R"({"location": "weight_output"}, {"location": "input"}]}}}}})",
            kCompressed, 0, "quantization_config.transform_config: " + basis},
           {"a transform of keys", transforms + R"({"location": "k_cache"}]}}}}})", kCompressed, 0,
            "transform_config: " + basis},
           {"no place", transforms + R"({"targets": ["Linear"]}]}}}}})", kCompressed, 0, basis},
           {"no transform at all", transforms + "]}}}}}", kCompressed, 0, basis},
           {"what is left of transforms that no config names", "{}",
            together(kCompressed, submodules), 0, "R1_weight_input.weight F64"},
           {"a key of another method",
            R"({"quantization_config": {"rotation_config": {"hadamard_size": 64}}})", kGptq, 0,
            "quantization_config.rotation_config: " + basis},
       }) {
    CAPTURE(std::string(row.name));
    const Model model(row.config, row.tensors);
    const auto found = model.find();
    if (row.dropped == 0 && row.expected != "accepted") {
      REQUIRE_FALSE(found.ok());
      check_contains(found.error().text(), {row.expected});
      continue;
    }
    REQUIRE_MESSAGE(found.ok(), (found.ok() ? "" : found.error().text()));
    for (const std::uint8_t mark : found.value().consumed) CHECK(mark == 1);
    REQUIRE(found.value().warnings.size() == (row.dropped == 0 ? 0 : 1));
    if (row.dropped == 0) continue;
    check_contains(found.value().warnings[0],
                   {std::to_string(row.dropped) + " tensors of rotations that are fused"});
  }
}

TEST_CASE("GPTQ without a format: where zero points count, the guess of v1 is said") {
  struct FormatRow {
    std::string config;
    bool said;
  };
  for (const FormatRow& row : std::vector<FormatRow>{
           {R"("quant_method": "gptq", "sym": false)", true},
           {R"("quant_method": "auto-round", "sym": false)", true},
           {R"("quant_method": "gptq", "sym": true)", false},
           {R"("quant_method": "gptq", "sym": false, "checkpoint_format": "gptq")", false},
           {R"("quant_method": "gptq", "sym": false, "format": "gptq")", false},
           {R"("quant_method": "gptq", "sym": false, "checkpoint_format": "gptq_v2")", false},
           {R"("quant_method": "auto-round", "sym": false,
               "packing_format": "auto_round:auto_gptq")",
            false}}) {
    CAPTURE(row.config);
    const Model model(
        R"({"quantization_config": {"bits": 4, "group_size": 32, )" + row.config + "}}", kGptq);
    const auto found = model.find();
    REQUIRE_MESSAGE(found.ok(), (found.ok() ? "" : found.error().text()));
    CHECK(found.value().warnings.empty());
    const std::string notes = joined(found.value().notes);
    CHECK((notes.find("no config says checkpoint_format") != std::string::npos) == row.said);
  }
}

TEST_CASE("a method that is not read: the nearest that is read is named") {
  for (const auto& row : std::vector<std::pair<std::string, std::string>>{
           {"compressed_tensors", "compressed-tensors"},
           {"autoround", "auto-round"},
           {"gptq_bitblas", "gptq"},
           {"awq_gemm", "awq"},
           {"hqq", ""}}) {
    const std::string& method = row.first;
    const std::string& nearest = row.second;
    CAPTURE(method);
    const Model model(R"({"quantization_config": {"quant_method": ")" + method + R"("}})", kAwq);
    const auto found = model.find();
    REQUIRE_FALSE(found.ok());
    const std::string text = found.error().text();
    check_contains(text, {"quantization method " + method + " is not supported"});
    if (nearest.empty()) {
      CHECK(text.find("the nearest") == std::string::npos);
    } else {
      check_contains(text, {"the nearest that is read is " + nearest});
    }
  }
}

TEST_CASE(
    "list_unknown_tensors, list_packed_tensors: of any checkpoint, whatever its config says") {
  const std::string fp8 = R"({"quantization_config": {"quant_method": "fp8"}})";
  const Tensors experts = {{"x.up_proj_packed", "I32", {4, 64, 8}}};
  const Model plain("{}", {{"m.weight", "F16", {4, 4}}, {"logit_scale", "F32", {}}});
  CHECK(list_unknown_tensors(plain.checkpoint()).empty());
  CHECK(list_packed_tensors(plain.checkpoint()).empty());

  const Model both(fp8, together(kAwq, experts));
  const std::vector<std::string> unknown = list_unknown_tensors(both.checkpoint());
  REQUIRE(unknown.size() == 1);
  check_contains(unknown[0], {"x.up_proj_packed: I32 [4, 64, 8]: looks like packed codes"});
  const std::vector<std::string> packed = list_packed_tensors(both.checkpoint());
  REQUIRE(packed.size() == 2);
  check_contains(joined(packed),
                 {"l.0.up.qweight: I32 [64, 2]: a packed weight", "x.up_proj_packed"});
}

}  // namespace
}  // namespace thaw
