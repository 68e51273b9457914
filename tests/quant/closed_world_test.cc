// specs/closed_world.md: every tensor beside the linears is plain, left out with a word, or a
// reason to stop.
#include "quant/closed_world.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quant/linears.h"
#include "quant/model_files.h"

namespace thaw {
namespace {

using test::ZeroTensor;
using Tensors = std::vector<ZeroTensor>;

const Tensors kAwq = {{"l.0.up.qweight", "I32", {64, 2}},
                      {"l.0.up.qzeros", "I32", {2, 2}},
                      {"l.0.up.scales", "F16", {2, 16}},
                      {"l.0.up.bias", "F16", {16}}};
const Tensors kCompressed = {
    {"l.0.up.weight_packed", "I32", {16, 8}},
    {"l.0.up.weight_scale", "BF16", {16, 2}},
    {"l.0.up.weight_shape", "I64", {2}, std::string("\x10\0\0\0\0\0\0\0@\0\0\0\0\0\0\0", 16)}};
const Tensors kGptq = {{"l.0.up.qweight", "I32", {8, 16}},
                       {"l.0.up.qzeros", "I32", {2, 2}},
                       {"l.0.up.scales", "F16", {2, 16}},
                       {"l.0.up.g_idx", "I32", {64}}};

Tensors together(Tensors tensors, const Tensors& more) {
  tensors.insert(tensors.end(), more.begin(), more.end());
  return tensors;
}

// Holds the checkpoint that a result borrows from.
class Model {
 public:
  Model(std::string_view config, const Tensors& tensors) {
    directory_.write_model(config, tensors);
    checkpoint_.emplace(directory_.open());
  }
  [[nodiscard]] const Checkpoint& checkpoint() const { return *checkpoint_; }
  [[nodiscard]] Result<QuantizedLinears> find(bool copy_unknown = false) const {
    return find_quantized_linears(*checkpoint_, {.copy_unknown = copy_unknown});
  }
  [[nodiscard]] std::uint8_t mark(const QuantizedLinears& found, std::string_view name) const {
    const Tensor* tensor = checkpoint_->find(name);
    REQUIRE_MESSAGE(tensor != nullptr, std::string(name));
    return found.consumed[static_cast<std::size_t>(tensor - checkpoint_->tensors().data())];
  }

 private:
  test::ModelDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
};

void check_contains(const std::string& text, const std::vector<std::string>& expected) {
  for (const std::string& one : expected) {
    CHECK_MESSAGE(text.find(one) != std::string::npos, "\"" << one << "\" in: " << text);
  }
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST_CASE("closed world: plain tensors are carried without a word") {
  for (const ZeroTensor& tensor : Tensors{
           {"visual.position_ids", "I64", {1, 16}},
           {"l.0.mlp.gate.tid2eid", "I64", {64, 6}},
           {"l.0.attention.self.relative_position_index", "I64", {49, 49}},
           {"embeddings.token_type_ids", "I64", {1, 512}},
           {"h.0.attn.bias", "U8", {1, 1, 8, 8}},
           {"l.0.attention.attention_bias_idxs", "I64", {4, 4}},
           {"bn.num_batches_tracked", "I64", {}},
           {"vision_model.summary_idxs", "I64", {2}},
           {"model.mask", "BOOL", {4, 4}},
           {"model.flags_packed", "BOOL", {4, 4}},
           {"logit_scale", "F32", {}},
           {"model.logit_scale", "F32", {1}},
           {"l.0.layer_scale", "BF16", {16}},
           {"l.0.attention.self.logit_scale", "F32", {6, 1, 1}},
           {"l.0.block.layer_scale_2", "F32", {220, 1, 1}},
           {"l.0.router.per_expert_scale", "BF16", {4}},
           {"l.0.router.scale", "BF16", {16}},
           {"l.0.self_attn.q_proj.norm.scale", "F32", {48, 128}},
           {"l.0.hc_attn_scale", "F32", {3}},
           {"l.0.mlp.gate.e_score_correction_bias", "F32", {4}},
           {"l.0.vision.global_scale", "F32", {1}},
           {"rotary.inv_freq", "F64", {8}},
           {"empty", "BF16", {0, 64}},
           {"nothing", "F32", {0}},
           {"head.weight", "F32", {8, 64}},
       }) {
    CAPTURE(tensor.name);
    const Model model("{}", together(kAwq, {tensor}));
    const auto found = model.find();
    REQUIRE_MESSAGE(found.ok(), (found.ok() ? "" : found.error().text()));
    CHECK(found.value().warnings.empty());
    CHECK(found.value().notes.empty());
    CHECK(model.mark(found.value(), tensor.name) == 0);
  }
}

TEST_CASE("closed world: a suffix alone stops nothing where its stem has a float weight") {
  const Model model("{}", together(kAwq, {{"a.in_scale", "F32", {4, 8}},
                                          {"a.in.weight", "F32", {8, 8}},
                                          {"b.table_zero_point", "F32", {2}},
                                          {"b.table", "BF16", {4, 4}},
                                          {"c.scales", "F32", {4, 4}},
                                          {"c.weight", "BF16", {4, 4}}}));
  const auto found = model.find();
  REQUIRE_MESSAGE(found.ok(), (found.ok() ? "" : found.error().text()));
  CHECK(found.value().warnings.empty());
}

struct StopRow {
  std::string name;
  Tensors tensors;
  std::vector<std::string> expected;
};

TEST_CASE("closed world: what looks packed stops, and the message says which and as what") {
  for (const StopRow& row : std::vector<StopRow>{
           {"float8 without scales",
            {{"mtp.0.e_proj.weight", "F8_E4M3", {16, 64}}},
            {"mtp.0.e_proj.weight: F8_E4M3 [16, 64]: looks like a small float without scales"}},
           {"float8 of one dimension", {{"m.v", "F8_E5M2", {16}}}, {"m.v: F8_E5M2 [16]"}},
           {"scales of exponents", {{"m.v", "F8_E8M0", {16, 2}}}, {"m.v: F8_E8M0 [16, 2]"}},
           {"integers", {{"m.table", "I8", {16, 4}}}, {"m.table: I8 [16, 4]: looks like integers"}},
           {"integers of 64 bits", {{"m.table", "I64", {16, 4}}}, {"m.table: I64 [16, 4]"}},
           {"bytes called bias", {{"m.bias", "U8", {16, 4}}}, {"m.bias: U8 [16, 4]"}},
           {"packed parameters of fused experts",
            {{"l.0.experts.gate_up_proj_packed", "I32", {4, 64, 8}},
             {"l.0.experts.gate_up_proj_scale", "BF16", {4, 64, 2}},
             {"l.0.experts.gate_up_proj_shape", "I64", {3}}},
            {"l.0.experts: thaw knows no rule for these", "gate_up_proj_packed I32 [4, 64, 8]",
             "packed codes", "gate_up_proj_scale BF16 [4, 64, 2]", "gate_up_proj_shape I64 [3]"}},
           {"names of a server",
            {{"x.w13_qweight", "I32", {4, 8, 64}},
             {"x.w13_scales", "F16", {4, 2, 64}},
             {"x.w13_qzeros", "I32", {4, 2, 8}}},
            {"w13_qweight I32", "w13_scales F16", "w13_qzeros I32"}},
           {"quanto",
            {{"x.0.up.weight._data", "U8", {32, 32}}, {"x.0.up.weight._scale", "BF16", {32, 2}}},
            {"x.0.up.weight: ", "_data U8 [32, 32] (codes of quanto)", "_scale BF16 [32, 2]"}},
           {"NVFP4 of experts",
            {{"x.up_proj_packed", "U8", {4, 64, 32}},
             {"x.up_proj_scale", "F8_E4M3", {4, 64, 4}},
             {"x.up_proj_global_scale", "F32", {4, 2}}},
            {"up_proj_packed U8", "up_proj_scale F8_E4M3", "up_proj_global_scale F32"}},
           {"MXFP4 of gpt-oss",
            {{"x.gate_up_proj_blocks", "U8", {4, 64, 2, 16}},
             {"x.gate_up_proj_scales", "U8", {4, 64, 2}},
             {"x.gate_up_proj_bias", "BF16", {4, 64}}},
            {"gate_up_proj_blocks U8 [4, 64, 2, 16] (codes of MXFP4 as of gpt-oss)"}},
           {"fp8 of experts",
            {{"x.gate_up_proj", "F8_E4M3", {4, 64, 64}},
             {"x.gate_up_proj_scale_inv", "F32", {4, 1, 1}}},
            {"gate_up_proj F8_E4M3", "gate_up_proj_scale_inv F32"}},
           {"torchao",
            {{"x.0._weight_qdata", "U8", {32, 32}}, {"x.0._weight_scale", "BF16", {32, 2}}},
            {"_weight_qdata U8 [32, 32] (codes of torchao)", "_weight_scale BF16"}},
           {"AWQ with other names",
            {{"x.0.w1_qweight", "I32", {64, 4}}, {"x.0.w1_scales", "F16", {2, 32}}},
            {"w1_qweight I32", "w1_scales F16"}},
           {"DeepSeek-V4",
            {{"x.0.w1.weight", "I8", {32, 32}}, {"x.0.w1.scale", "F8_E8M0", {32, 2}}},
            {"weight I8 [32, 32]", "scale F8_E8M0 [32, 2]"}},
           {"bytes seen as floats",
            {{"m.weight", "BF16", {512, 1}}, {"m.weight.absmax", "U8", {16}}},
            {"m.weight.absmax", "bitsandbytes"}},
           {"a state without an absmax",
            {{"m.weight", "U8", {512, 1}}, {"m.weight.quant_state.bitsandbytes__nf4", "U8", {78}}},
            {"m.weight", "bitsandbytes__nf4"}},
           {"scales that lost their weight",
            {{"x.up_scale", "BF16", {16, 2}}},
            {"x.up_scale: BF16"}},
           {"a zero point that lost its weight",
            {{"x.up_zero_point", "F32", {}}},
            {"x.up_zero_point"}},
           {"a zero point below no attention",
            {{"l.0.mlp.k_zero_point", "F32", {1}}},
            {"k_zero_point"}},
           {"an index that lost its weight",
            {{"x.up_g_idx", "I32", {64}}},
            {"x.up_g_idx: I32 [64]"}},
           {"an order", {{"x.perm", "I32", {64}}}, {"x.perm: I32 [64]: looks like permutation"}},
           {"a matrix called k_scale", {{"l.0.self_attn.k_scale", "F32", {8, 8}}}, {"k_scale"}},
       }) {
    CAPTURE(row.name);
    const Model model("{}", together(kAwq, row.tensors));
    const auto found = model.find();
    REQUIRE_FALSE(found.ok());
    CHECK(found.error().code == ErrorCode::input);
    CHECK(found.error().hint.find("--copy-unknown") != std::string::npos);
    check_contains(found.error().text(), row.expected);
    const auto copied = model.find(true);
    REQUIRE_MESSAGE(copied.ok(), (copied.ok() ? "" : copied.error().text()));
    for (const ZeroTensor& tensor : row.tensors) {
      CHECK_MESSAGE(model.mark(copied.value(), tensor.name) == 2, tensor.name);
    }
  }
}

TEST_CASE("closed world: a tensor beside a linear that its layout does not name stops") {
  struct BesideRow {
    const Tensors& linear;
    ZeroTensor tensor;
    const char* title;
  };
  for (const BesideRow& row : std::vector<BesideRow>{
           {kAwq, {"l.0.up.pre_quant_scale", "F16", {64}}, "AWQ GEMM"},
           {kAwq, {"l.0.up.input_channel_scale", "F32", {64}}, "AWQ GEMM"},
           {kAwq, {"l.0.up.perm", "I32", {64}}, "AWQ GEMM"},
           {kAwq, {"l.0.up.theta", "F16", {8}}, "AWQ GEMM"},
           {kAwq, {"l.0.up.input_scale", "F32", {}}, "AWQ GEMM"},
           {kAwq, {"l.0.up.weight_scale", "F32", {16}}, "AWQ GEMM"},
           {kAwq, {"l.0.up.below.weight", "F16", {4}}, "AWQ GEMM"},
           {kCompressed, {"l.0.up.pre_quant_scale", "BF16", {64}}, "compressed-tensors 4-bit"},
           {kCompressed, {"l.0.up.smooth_scale", "BF16", {64}}, "compressed-tensors 4-bit"},
           {kCompressed, {"l.0.up.weight_global_scale", "F32", {1}}, "compressed-tensors 4-bit"},
           {kCompressed, {"l.0.up.weight_offset", "BF16", {1}}, "compressed-tensors 4-bit"},
           {kCompressed, {"l.0.up.act_scale", "BF16", {1}}, "compressed-tensors 4-bit"},
           {kCompressed, {"l.0.up.qzeros", "I32", {2, 2}}, "qzeros"},
           {kGptq, {"l.0.up.channel_scale", "F16", {64}}, "GPTQ"},
           {kGptq, {"l.0.up.flag", "BOOL", {1}}, "GPTQ"}}) {
    CAPTURE(row.tensor.name);
    const Model model("{}", together(row.linear, {row.tensor}));
    const auto found = model.find();
    REQUIRE_FALSE(found.ok());
    CHECK(found.error().code == ErrorCode::input);
    const std::string suffix = row.tensor.name.substr(std::string("l.0.up.").size());
    check_contains(found.error().text(), {"l.0.up", suffix, row.title});
  }
}

TEST_CASE("closed world: with a tensor that it does not know a linear is copied packed") {
  const Tensors other = {{"m.qweight", "I32", {64, 2}}, {"m.scales", "F16", {2, 16}}};
  const Model model("{}",
                    together(together(kAwq, other), {{"l.0.up.pre_quant_scale", "F16", {64}}}));
  const auto found = model.find(true);
  REQUIRE_MESSAGE(found.ok(), (found.ok() ? "" : found.error().text()));
  REQUIRE(found.value().linears.size() == 1);
  CHECK(found.value().linears[0].module == "m");
  for (const ZeroTensor& tensor : kAwq) CHECK(model.mark(found.value(), tensor.name) == 2);
  CHECK(model.mark(found.value(), "m.qweight") == 1);
  check_contains(joined(found.value().warnings),
                 {"5 tensors are copied unchanged", "l.0.up.pre_quant_scale", "l.0.up.qweight"});

  const Model alone("{}", together(kAwq, {{"l.0.up.pre_quant_scale", "F16", {64}}}));
  REQUIRE_FALSE(alone.find(true).ok());
  check_contains(alone.find(true).error().text(), {"nothing in it is quantized"});
}

TEST_CASE("closed world: thousands of tensors that are alike are one line, all kinds are named") {
  Tensors tensors = kAwq;
  for (int i = 0; i < 40; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    tensors.push_back({layer + "experts.gate_up_proj_packed", "I32", {4, 64, 8}});
    tensors.push_back({layer + "experts.gate_up_proj_scale", "BF16", {4, 64, 2}});
    tensors.push_back({layer + "e_proj.weight", "F8_E4M3", {16, 16}});
  }
  tensors.push_back({"l.0.up.pre_quant_scale", "F16", {64}});
  const Model model("{}", tensors);
  const auto found = model.find();
  REQUIRE_FALSE(found.ok());
  const std::vector<std::string>& messages = found.error().messages;
  CHECK(messages.size() == 3);
  check_contains(
      joined(messages),
      {"model.layers.*.experts: thaw knows no rule for these: gate_up_proj_packed I32 [4, "
       "64, 8] (packed codes), gate_up_proj_scale BF16 [4, 64, 2] (scales) (40 of them, "
       "the first model.layers.0.experts)",
       "model.layers.*.e_proj.weight: F8_E4M3 [16, 16]",
       "40 of them, the first model.layers.0.e_proj.weight", "l.0.up: AWQ GEMM has no"});
}

TEST_CASE("closed world: what belongs to a module that was refused is not named again") {
  const Model model("{}", together(kAwq, {{"m.weight", "F8_E4M3", {16, 64}},
                                          {"m.weight_scale_inv", "F32", {1, 1}},
                                          {"n.weight", "U8", {512, 1}},
                                          {"n.weight.absmax", "F32", {16}},
                                          {"n.weight.quant_map", "F32", {16}},
                                          {"o.qweight", "I32", {64, 2}},
                                          {"o.qzeros", "I32", {2, 2}}}));
  const auto found = model.find();
  REQUIRE_FALSE(found.ok());
  CHECK_MESSAGE(found.error().messages.size() == 3, found.error().text());
}

TEST_CASE("closed world: scales of a KV cache and of attention are left out with one warning") {
  const Tensors scales = {
      {"l.0.self_attn.k_scale", "BF16", {1}},      {"l.0.self_attn.v_scale", "F32", {}},
      {"l.0.self_attn.q_scale", "F32", {8, 1, 1}}, {"l.0.attention.prob_scale", "F32", {1}},
      {"l.0.self_attn.k_zero_point", "I8", {1}},   {"l.0.self_attn.attn.v_zero_point", "F32", {1}},
      {"l.0.self_attn.k_proj.k_scale", "F32", {}}, {"l.0.self_attn.v_proj.v_scale", "F32", {}}};
  for (const Tensors& linear : {kAwq, kCompressed}) {
    const Model model("{}", together(linear, scales));
    const auto found = model.find();
    REQUIRE_MESSAGE(found.ok(), (found.ok() ? "" : found.error().text()));
    for (const ZeroTensor& tensor : scales) CHECK(model.mark(found.value(), tensor.name) == 1);
    REQUIRE(found.value().warnings.size() == 1);
    check_contains(found.value().warnings[0],
                   {"8 tensors of a quantized KV cache", "first: l.0.attention.prob_scale"});
  }
}

TEST_CASE(
    "closed world: scales of what goes into a linear are a note, those of the cache a warning") {
  Tensors tensors;
  for (const char* module : {"l.0.self_attn.k_proj", "l.0.up"}) {
    for (ZeroTensor tensor : kCompressed) {
      tensor.name = module + tensor.name.substr(std::string("l.0.up").size());
      tensors.push_back(tensor);
    }
    tensors.push_back({std::string(module) + ".input_scale", "BF16", {1}});
    tensors.push_back({std::string(module) + ".output_scale", "BF16", {1}});
  }
  const Model model("{}", tensors);
  const auto found = model.find();
  REQUIRE_MESSAGE(found.ok(), (found.ok() ? "" : found.error().text()));
  for (const std::uint8_t mark : found.value().consumed) CHECK(mark == 1);
  REQUIRE(found.value().notes.size() == 1);
  check_contains(found.value().notes[0], {"the scales of quantized activations", "2 modules"});
  check_contains(joined(found.value().warnings),
                 {"1 tensor of a quantized KV cache", "l.0.self_attn.k_proj.output_scale"});
}

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
  for (const auto& [method, nearest] : std::vector<std::pair<std::string, std::string>>{
           {"compressed_tensors", "compressed-tensors"},
           {"autoround", "auto-round"},
           {"gptq_bitblas", "gptq"},
           {"awq_gemm", "awq"},
           {"hqq", ""}}) {
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
