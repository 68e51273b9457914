// specs/closed_world.md: every tensor beside the linears is plain, left out with a word, or a
// reason to stop.
#include "quant/closed_world.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "quant/closed_world_model.h"

namespace thaw {
namespace {

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
           {"packed parameters of no experts",
            {{"l.0.mlp.gate_up_proj_packed", "I32", {4, 64, 8}},
             {"l.0.mlp.gate_up_proj_scale", "BF16", {4, 64, 2}},
             {"l.0.mlp.gate_up_proj_shape", "I64", {3}}},
            {"l.0.mlp: thaw knows no rule for these", "gate_up_proj_packed I32 [4, 64, 8]",
             "packed codes", "gate_up_proj_scale BF16 [4, 64, 2]", "gate_up_proj_shape I64 [3]"}},
           {"packed experts of two dimensions",
            {{"l.0.experts.gate_up_proj_packed", "I32", {64, 8}},
             {"l.0.experts.gate_up_proj_scale", "BF16", {64, 2}}},
            {"l.0.experts: thaw knows no rule for these", "gate_up_proj_packed I32 [64, 8]"}},
           {"scales of experts that lost their codes",
            {{"l.0.experts.gate_up_proj_scale", "BF16", {4, 64, 2}}},
            {"l.0.experts.gate_up_proj_scale: BF16 [4, 64, 2]"}},
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
           {"fp8 of something called like experts",
            {{"x.gate_up_proj", "F8_E4M3", {4, 64, 64}},
             {"x.gate_up_proj_scale_inv", "F32", {4, 1, 1}}},
            {"gate_up_proj F8_E4M3", "gate_up_proj_scale_inv F32"}},
           {"torchao",
            {{"x.0._weight_qdata", "U8", {32, 32}}, {"x.0._weight_scale", "BF16", {32, 2}}},
            {"_weight_qdata U8 [32, 32] (codes of torchao)", "_weight_scale BF16"}},
           {"AWQ with other names",
            {{"x.0.w1_qweight", "I32", {64, 4}}, {"x.0.w1_scales", "F16", {2, 32}}},
            {"w1_qweight I32", "w1_scales F16"}},
           {"DeepSeek-V4, without its scales",
            {{"x.0.w1.weight", "I8", {32, 32}}, {"x.0.w1.scale", "F32", {32, 2}}},
            {"weight: I8 [32, 32]"}},
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
           {kParameter, {"l.0.experts.up_global_scale", "F32", {1}}, "compressed-tensors 4-bit"},
           {kParameter, {"l.0.experts.up_pre_quant_scale", "F32", {64}}, "compressed-tensors"},
           {kGptq, {"l.0.up.channel_scale", "F16", {64}}, "GPTQ"},
           {kGptq, {"l.0.up.flag", "BOOL", {1}}, "GPTQ"}}) {
    CAPTURE(row.tensor.name);
    const Model model("{}", together(row.linear, {row.tensor}));
    const auto found = model.find();
    REQUIRE_FALSE(found.ok());
    CHECK(found.error().code == ErrorCode::input);
    const std::string suffix = row.tensor.name.substr(row.tensor.name.rfind('.') + 1);
    std::string_view module = row.linear[0].name;
    module = module.substr(0, module.rfind('.'));
    check_contains(found.error().text(), {std::string(module), suffix, row.title});
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
    tensors.push_back({layer + "mlp.gate_up_proj_packed", "I32", {4, 64, 8}});
    tensors.push_back({layer + "mlp.gate_up_proj_scale", "BF16", {4, 64, 2}});
    tensors.push_back({layer + "e_proj.weight", "F8_E4M3", {16, 16}});
  }
  tensors.push_back({"l.0.up.pre_quant_scale", "F16", {64}});
  const Model model("{}", tensors);
  const auto found = model.find();
  REQUIRE_FALSE(found.ok());
  const std::vector<std::string>& messages = found.error().messages;
  CHECK(messages.size() == 3);
  check_contains(joined(messages),
                 {"model.layers.*.mlp: thaw knows no rule for these: gate_up_proj_packed I32 [4, "
                  "64, 8] (packed codes), gate_up_proj_scale BF16 [4, 64, 2] (scales) (40 of them, "
                  "the first model.layers.0.mlp)",
                  "model.layers.*.e_proj.weight: F8_E4M3 [16, 16]",
                  "40 of them, the first model.layers.0.e_proj.weight", "l.0.up: AWQ GEMM has no"});
}

TEST_CASE("closed world: what belongs to a module that was refused is not named again") {
  const Model model("{}", together(kAwq, {{"m.weight", "U8", {16, 64}},
                                          {"m.weight_scale", "F32", {1, 1}},
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

}  // namespace
}  // namespace thaw
