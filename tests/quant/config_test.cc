// specs/awq.md clause 7. Configs of compressed-tensors: compressed_config_test.cc.
#include "quant/config.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "quant/model_files.h"

namespace thaw {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

Result<QuantConfig> read(const Files& files) {
  const test::ModelDirectory directory;
  directory.write_model("", {{"model.norm.weight", "F16", {8}}});
  for (const auto& [name, text] : files) directory.write(name, text);
  const Checkpoint checkpoint = directory.open();
  return read_quant_config(checkpoint);
}

Files config(const std::string& quantization_config) {
  return {{"config.json", R"({"quantization_config": )" + quantization_config + "}"}};
}

struct GoodRow {
  std::string name;
  Files files;
  std::string source = "config.json: quantization_config";
  std::string method = "awq";
  std::string version = "gemm";
  std::int64_t bits = 4;        // 0: not said
  std::int64_t group_size = 0;  // 0: not said
  int zero_point = -1;          // -1: not said
  bool llm_awq = false;
  std::size_t warnings = 0;
  Packing packing = Packing::awq;  // or unsaid
};

const std::vector<GoodRow>& good_rows() {
  static const std::vector<GoodRow> rows = {
      {.name = "no config.json", .files = {}, .source = "", .bits = 0},
      {.name = "no config in config.json",
       .files = {{"config.json", R"({"hidden_size": 128})"}},
       .source = "",
       .bits = 0},
      {.name = "AutoAWQ",
       .files = config(R"({"bits": 4, "group_size": 64, "modules_to_not_convert": null,
                           "quant_method": "awq", "version": "gemm", "zero_point": true})"),
       .group_size = 64,
       .zero_point = 1},
      {.name = "upper case",
       .files = config(R"({"quant_method": "AWQ", "bits": 4, "version": "GEMV_FAST"})"),
       .version = "gemv_fast"},
      {.name = "old AutoAWQ",
       .files = {{"config.json", "{}"},
                 {"quant_config.json",
                  R"({"zero_point": true, "q_group_size": 64, "w_bit": 4, "version": "GEMM"})"}},
       .source = "quant_config.json",
       .group_size = 64,
       .zero_point = 1},
      {.name = "GPTQModel",
       .files = config(R"({"bits": 4, "group_size": -1, "method": "awq", "format": "gemm",
                           "checkpoint_format": "gemm", "sym": true, "desc_act": false})"),
       .group_size = -1},
      {.name = "version before format",
       .files = config(R"({"bits": 4, "version": "gemv", "format": "gemm"})"),
       .version = "gemv",
       .warnings = 1},
      {.name = "quantize_config.json",
       .files = {{"quantize_config.json", R"({"bits": 4, "quant_method": "awq"})"}},
       .source = "quantize_config.json"},
      {.name = "text_config",
       .files = {{"config.json", R"({"vision_config": {"quantization_config": {"bits": 4}},
           "text_config": {"quantization_config": {"w_bit": 4, "q_group_size": 32}}})"}},
       .source = "config.json: text_config.quantization_config",
       .group_size = 32},
      {.name = "two levels down",
       .files = {{"config.json", R"({"thinker_config": {"text_config":
           {"quantization_config": {"bits": 4, "group_size": 128}}}})"}},
       .source = "config.json: thinker_config.text_config.quantization_config",
       .group_size = 128},
      {.name = "a key with an escape",
       .files = {{"config.json", R"({"\u001b_config": {"quantization_config": {"bits": 4}}})"}},
       .source = "config.json: \\x1b_config.quantization_config"},
      {.name = "compression_config",
       .files = {{"config.json", R"({"compression_config": {"quant_method": "awq", "bits": 4}})"}},
       .source = "config.json: compression_config"},
      {.name = "null is absent",
       .files = {{"config.json", R"({"quantization_config": null})"},
                 {"quant_config.json", R"({"w_bit": 4, "q_group_size": null})"}},
       .source = "quant_config.json"},
      {.name = "a later place says the rest",
       .files = {{"config.json", R"({"quantization_config": {"quant_method": "awq"}})"},
                 {"quant_config.json", R"({"w_bit": 4, "q_group_size": 32})"}},
       .group_size = 32},
      {.name = "the first place wins",
       .files = {{"config.json",
                  R"({"quantization_config": {"bits": 4, "group_size": 64, "version": "gemm"}})"},
                 {"quant_config.json", R"({"w_bit": 4, "q_group_size": 128, "version": "gemv"})"}},
       .group_size = 64,
       .warnings = 2},
      {.name = "llm-awq by backend",
       .files = config(R"({"bits": 4, "version": "gemv", "backend": "llm-awq"})"),
       .version = "gemv",
       .llm_awq = true},
      {.name = "llm-awq by version",
       .files = config(R"({"bits": 4, "version": "llm-awq"})"),
       .version = "llm-awq",
       .llm_awq = true},
      {.name = "awq_marlin is how to run it",
       .files = config(R"({"bits": 4, "quant_method": "awq_marlin", "version": "exllama"})"),
       .method = "awq_marlin",
       .version = "exllama"},
      {.name = "auto-round with AWQ packing",
       .files = config(R"({"bits": 4, "quant_method": "auto-round", "sym": true,
                           "packing_format": "auto_round:auto_awq"})"),
       .method = "auto-round"},
      {.name = "auto-round by its backend",
       .files = config(R"({"bits": 4, "quant_method": "intel/auto-round",
                           "backend": "auto_round:awq"})"),
       .method = "intel/auto-round"},
      {.name = "auto-round by its packing, whatever its backend",
       .files = config(R"({"bits": 8, "quant_method": "auto-round", "backend": "awq",
                           "packing_format": "auto_round:auto_gptq"})"),
       .method = "auto-round",
       .bits = 8,
       .packing = Packing::gptq},
      {.name = "auto-round without packing",
       .files = config(R"({"bits": 4, "quant_method": "auto-round"})"),
       .method = "auto-round",
       .packing = Packing::gptq},
      {.name = "auto-round that stores zeros as they are",
       .files = config(R"({"bits": 4, "quant_method": "intel/auto-round",
                           "packing_format": "auto_round:gptqmodel"})"),
       .method = "intel/auto-round",
       .packing = Packing::gptq_v2},
      {.name = "auto-round, its own packing",
       .files = {{"quantization_config.json",
                  R"({"bits": 4, "quant_method": "auto-round", "packing_format": "auto_round"})"}},
       .source = "quantization_config.json",
       .method = "auto-round",
       .packing = Packing::gptq_v2},
      {.name = "GPTQ v1",
       .files = config(R"({"bits": 8, "quant_method": "gptq", "group_size": 128, "sym": true})"),
       .method = "gptq",
       .bits = 8,
       .group_size = 128,
       .packing = Packing::gptq},
      {.name = "GPTQ, the format of the checkpoint before the format",
       .files = config(R"({"bits": 4, "quant_method": "GPTQ", "checkpoint_format": "gptq_v2",
                           "format": "gptq"})"),
       .method = "gptq",
       .warnings = 1,
       .packing = Packing::gptq_v2},
      {.name = "GPTQ, upper case, only a format",
       .files = config(R"({"bits": 4, "quant_method": "gptq", "format": "GPTQ_V2"})"),
       .method = "gptq",
       .packing = Packing::gptq_v2},
      {.name = "gptq_p of 4 bits",
       .files = config(R"({"bits": 4, "method": "gptq", "format": "gptq_p"})"),
       .method = "gptq",
       .packing = Packing::gptq_v2},
      {.name = "old AutoGPTQ",
       .files = {{"config.json", "{}"},
                 {"quantize_config.json",
                  R"({"bits": 4, "group_size": 128, "desc_act": false, "sym": true,
                      "model_name_or_path": null})"}},
       .source = "quantize_config.json",
       .group_size = 128,
       .packing = Packing::unsaid},
      {.name = "a format that only GPTQ has",
       .files = {{"quantize_config.json", R"({"bits": 4, "checkpoint_format": "gptq_v2"})"}},
       .source = "quantize_config.json",
       .method = "gptq",
       .packing = Packing::gptq_v2},
      {.name = "AutoGPTQ before formats",
       .files = {{"config.json", "{}"},
                 {"quantize_config.json",
                  R"({"bits": 4, "group_size": 128, "damp_percent": 0.1, "desc_act": true,
                      "static_groups": false, "sym": true, "true_sequential": true,
                      "model_name_or_path": null, "model_file_base_name": "model",
                      "quant_method": "gptq"})"}},
       .source = "quantize_config.json",
       .method = "gptq",
       .group_size = 128,
       .packing = Packing::gptq},
      {.name = "GPTQ-for-LLaMa's names of the keys",
       .files = {{"quantize_config.json", R"({"wbits": 4, "groupsize": 64})"}},
       .source = "quantize_config.json",
       .group_size = 64,
       .packing = Packing::unsaid},
      {.name = "AWQ as transformers 5 saves it",
       .files = config(R"({"backend": "auto", "batch_size": 1, "bits": 4, "block_name_to_quantize":
           null, "checkpoint_format": "gemm", "damp_percent": 0.1, "dataset": null,
           "desc_act": false, "format": "gemm", "group_size": 128, "meta": null,
           "modules_to_not_convert": null, "quant_method": "awq", "sym": true,
           "true_sequential": true, "zero_point": true})"),
       .group_size = 128,
       .zero_point = 1},
      {.name = "GPTQ as transformers 5 saves it",
       .files = config(R"({"backend": "auto", "bits": 4, "checkpoint_format": "gptq_v2",
           "format": "gptq_v2", "desc_act": false, "group_size": 128, "meta":
           {"quantizer": ["optimum:1.23", "gptqmodel:5.0"]}, "pad_token_id": null,
           "quant_method": "gptq", "sym": false, "true_sequential": true})"),
       .method = "gptq",
       .group_size = 128,
       .packing = Packing::gptq_v2},
      {.name = "GPTQModel, gemv",
       .files = config(R"({"bits": 4, "group_size": 128, "quant_method": "awq",
                           "format": "gemv"})"),
       .version = "gemv",
       .group_size = 128},
      {.name = "GPTQModel, gemv_fast",
       .files = config(R"({"bits": 4, "method": "awq", "format": "gemv_fast"})"),
       .version = "gemv_fast"},
      {.name = "GPTQModel, marlin",
       .files = config(R"({"bits": 4, "quant_method": "awq", "format": "marlin"})"),
       .version = "marlin"},
      {.name = "GPTQModel, llm-awq",
       .files = config(R"({"bits": 4, "quant_method": "awq", "format": "llm-awq"})"),
       .version = "llm-awq",
       .llm_awq = true},
      {.name = "auto-round, all of its keys",
       .files = config(R"({"autoround_version": "0.5.1", "batch_size": 8, "bits": 4,
           "data_type": "int", "group_size": 128, "iters": 200, "block_name_to_quantize":
           "model.layers", "packing_format": "auto_round:auto_gptq", "quant_method": "auto-round",
           "sym": true, "extra_config": {"lm_head": {"bits": 16, "data_type": "float"}}})"),
       .method = "auto-round",
       .group_size = 128,
       .packing = Packing::gptq},
      {.name = "auto-round for exllama",
       .files = config(R"({"bits": 4, "quant_method": "intel/auto-round",
                           "packing_format": "auto_round:exllamav2"})"),
       .method = "intel/auto-round",
       .packing = Packing::gptq_v2},
      {.name = "auto-round for triton",
       .files = config(R"({"bits": 4, "quant_method": "auto-round",
                           "packing_format": "auto_round:tritonv2"})"),
       .method = "auto-round",
       .packing = Packing::gptq_v2},
      {.name = "auto-round, AWQ of the old name",
       .files = config(R"({"bits": 4, "quant_method": "intel/auto-round", "group_size": 128,
                           "packing_format": "auto_round:auto_awq", "sym": false})"),
       .method = "intel/auto-round",
       .group_size = 128},
      {.name = "auto-round as AWQ",
       .files = config(R"({"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm",
                           "zero_point": false, "modules_to_not_convert": ["lm_head"]})"),
       .group_size = 128,
       .zero_point = 0},
      {.name = "empty transforms are none",
       .files = config(R"({"bits": 4, "transform_config": {}, "rotation": null})")},
  };
  return rows;
}

struct BadRow {
  std::string name;
  Files files;
  std::vector<std::string> expected;  // all of them in the message
};

const std::vector<BadRow>& bad_rows() {
  static const std::vector<BadRow> rows = {
      {"width 8",
       config(R"({"quant_method": "awq", "bits": 8})"),
       {"/config.json: quantization_config.bits: got 8, expected 4"}},
      {"width as a string",
       config(R"({"w_bit": "4"})"),
       {"quantization_config.w_bit: got \"4\", expected an integer"}},
      {"width as a float", config(R"({"bits": 4.0})"), {"quantization_config.bits: got a number"}},
      {"group 0", config(R"({"group_size": 0})"), {"quantization_config.group_size: got 0"}},
      {"group -2", config(R"({"q_group_size": -2})"), {"quantization_config.q_group_size: got -2"}},
      {"group huge",
       config(R"({"group_size": 9223372036854775807})"),
       {"quantization_config.group_size: got 9223372036854775807, expected -1 or 1 to 1048576"}},
      {"group beyond 64 bits",
       config(R"({"group_size": 99999999999999999999})"),
       {"quantization_config.group_size: got a number"}},
      {"group as an array", config(R"({"group_size": [128]})"), {"group_size: got an array"}},
      {"zero_point as a number",
       config(R"({"zero_point": 1})"),
       {"quantization_config.zero_point: got 1, expected true or false"}},
      {"version as a number", config(R"({"version": 1})"), {"quantization_config.version: got 1"}},
      {"unknown version",
       config(R"({"version": "gemx"})"),
       {"quantization_config.version: got gemx, expected gemm, gemv"}},
      {"not an object",
       config(R"("awq")"),
       {"quantization_config: got \"awq\", expected an object"}},
      {"wrong in a side file",
       {{"quant_config.json", R"({"q_group_size": "128"})"}},
       {"/quant_config.json: q_group_size: got \"128\""}},
      {"wrong in a later place",
       {{"config.json", R"({"quantization_config": {"bits": 4},
                            "text_config": {"quantization_config": {"bits": true}}})"}},
       {"text_config.quantization_config.bits: got true"}},
      {"two errors at once", config(R"({"bits": 9, "group_size": -7})"), {"got 9", "got -7"}},
      {"gptq of 9 bits",
       config(R"({"quant_method": "gptq", "bits": 9})"),
       {"quantization_config.bits: got 9, expected 2 to 8"}},
      {"gptq, group 0",
       config(R"({"quant_method": "gptq", "bits": 8, "group_size": 0})"),
       {"quantization_config.group_size: got 0"}},
      {"AWQ of 3 bits",
       config(R"({"quant_method": "awq", "w_bit": 3})"),
       {"quantization_config.w_bit: got 3, expected 4"}},
      {"gptq of 1 bit",
       config(R"({"quant_method": "gptq", "bits": 1})"),
       {"quantization_config.bits: got 1, expected 2 to 8"}},
      {"auto-round of 16 bits",
       config(R"({"quant_method": "intel/auto-round", "bits": 16})"),
       {"quantization_config.bits: got 16, expected 2 to 8"}},
      {"auto-round with a packing of nobody",
       config(R"({"quant_method": "auto-round", "bits": 4, "packing_format": "auto_round:exl"})"),
       {"auto-round with packing auto_round:exl is not supported"}},
      {"Quark", config(R"({"quant_method": "quark"})"), {"quantization method quark"}},
      {"ModelOpt's int4",
       config(R"({"quant_method": "modelopt", "quant_algo": "W4A16_AWQ"})"),
       {"quantization_config.quant_algo: ModelOpt's w4a16_awq is not supported",
        "of ModelOpt this version reads FP8"}},
      {"ModelOpt's algorithm as a number",
       config(R"({"quant_method": "modelopt", "quant_algo": 4})"),
       {"quantization_config.quant_algo: got 4, expected a string"}},
      {"gptq of another format",
       config(R"({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"})"),
       {"GPTQ of the format marlin is not supported", "this version reads AWQ"}},
      {"gptq, sym as a number",
       config(R"({"quant_method": "gptq", "sym": 1})"),
       {"quantization_config.sym: got 1, expected true or false"}},
      {"dynamic as a list",
       config(R"({"quant_method": "gptq", "dynamic": ["a"]})"),
       {"quantization_config.dynamic: expected an object"}},
      {"dynamic with a list",
       config(R"({"quant_method": "gptq", "dynamic": {"a": [4]}})"),
       {"quantization_config.dynamic.a: expected an object"}},
      {"dynamic with a string for bits",
       config(R"({"quant_method": "gptq", "dynamic": {"a.*": {"bits": "8"}}})"),
       {"quantization_config.dynamic.a.*.bits: expected a positive integer"}},
      {"extra_config with group 0",
       config(R"({"quant_method": "auto-round", "extra_config": {"a": {"group_size": 0}}})"),
       {"extra_config.a.group_size: expected a positive integer or -1"}},
      {"extra_config with a number for sym",
       config(R"({"quant_method": "auto-round", "extra_config": {"a": {"sym": 0}}})"),
       {"extra_config.a.sym: expected true or false"}},
      {"a pattern that is none",
       config(R"({"quant_method": "gptq", "dynamic": {"+:a(": {"bits": 8}}})"),
       {"dynamic: the pattern \"a(\" is not understood: a missing )"}},
      {"bitsandbytes",
       config(R"({"quant_method": "bitsandbytes-next", "load_in_4bit": true})"),
       {"quantization method bitsandbytes-next"}},
      {"fp8 in blocks of one extent",
       config(R"({"quant_method": "fp8", "weight_block_size": [128]})"),
       {"quantization_config.weight_block_size: got an array, expected null or two integers"}},
      {"fp8 in blocks without an extent",
       config(R"({"quant_method": "fp8", "weight_block_size": [128, -1]})"),
       {"quantization_config.weight_block_size: got an array"}},
      {"fp8 in a block that is no array",
       config(R"({"quant_method": "fp8", "weight_block_size": 128})"),
       {"quantization_config.weight_block_size: got 128"}},
      {"fp8 of another kind",
       config(R"({"quant_method": "fp8", "fmt": "e4m3fnuz"})"),
       {"quantization_config.fmt: float8 of the FNUZ kind"}},
      {"fp8 of GPTQModel that says nothing of its scales",
       config(R"({"quant_method": "fp8", "checkpoint_format": "float8_e4m3fn"})"),
       {"checkpoint_format: float8 of GPTQModel without weight_scale_semantics"}},
      {"fp8 whose scales mean something else",
       config(R"({"quant_method": "fp8", "weight_scale_semantics": "log"})"),
       {"weight_scale_semantics: got \"log\", expected \"inverse\""}},
      {"a name with an escape", config(R"({"quant_method": "\u001b[31m"})"), {"method \\x1b[31m"}},
      {"auto-round with another packing",
       config(R"({"quant_method": "auto-round", "packing_format": "auto_round:exl",
                  "backend": "awq"})"),
       {"auto-round with packing auto_round:exl is not supported"}},
      {"transform",
       config(R"({"bits": 4, "transform_config": {"config_groups": {"a": {"type": "x"}}}})"),
       {"quantization_config.transform_config: weights in a rotated basis"}},
      {"rotation deep inside",
       config(R"({"bits": 4, "extra": [{"input_Hadamard_size": 64}]})"),
       {"input_Hadamard_size: weights in a rotated basis"}},
  };
  return rows;
}

// Whether a method is said: `sym` of a config that may be of any is kept.
bool reads_method(const Files& files) {
  return files.front().second.find("method\": \"awq\"") != std::string::npos;
}

TEST_CASE("read_quant_config: every place and spelling: the documented values") {
  for (const GoodRow& row : good_rows()) {
    CAPTURE(row.name);
    const Result<QuantConfig> result = read(row.files);
    REQUIRE_MESSAGE(result.ok(), result.error().text());
    const QuantConfig& got = result.value();
    CHECK(got.source == row.source);
    CHECK(got.method == row.method);
    CHECK(got.version == row.version);
    CHECK(got.bits.value_or(0) == row.bits);
    CHECK(got.group_size.value_or(0) == row.group_size);
    CHECK((got.zero_point.has_value() ? int{*got.zero_point} : -1) == row.zero_point);
    CHECK(got.llm_awq == row.llm_awq);
    CHECK(got.warnings.size() == row.warnings);
    if (!row.files.empty() && reads_method(row.files)) CHECK_FALSE(got.symmetric.has_value());
    CHECK((got.packing == row.packing ||
           (row.packing == Packing::awq && got.packing == Packing::unsaid)));
  }
}

TEST_CASE("read_quant_config: a wrong value: an error with the file and the key") {
  for (const BadRow& row : bad_rows()) {
    CAPTURE(row.name);
    const Result<QuantConfig> result = read(row.files);
    REQUIRE(!result.ok());
    CHECK(result.error().code == ErrorCode::input);
    for (const std::string& expected : row.expected) {
      CHECK_MESSAGE(result.error().text().find(expected) != std::string::npos,
                    result.error().text());
    }
  }
}

TEST_CASE("read_quant_config: two places that differ: the warning names both") {
  const Result<QuantConfig> result =
      read({{"config.json", R"({"quantization_config": {"group_size": 64}})"},
            {"quant_config.json", R"({"q_group_size": 128})"}});
  REQUIRE(result.ok());
  REQUIRE(result.value().warnings.size() == 1);
  CHECK(result.value().warnings[0] ==
        "config.json says quantization_config.group_size = 64 but quant_config.json says "
        "q_group_size = 128; the first is believed");
}

}  // namespace
}  // namespace thaw
