// specs/awq.md clauses 8.3 and 9: what is refused, and that the message says which and why.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "quant/linears.h"
#include "quant/model_files.h"

namespace thaw {
namespace {

struct BadRow {
  std::string name;
  const char* version;
  std::int64_t group_size;
  std::vector<test::ZeroTensor> tensors;
  std::vector<std::string> expected;  // all of them in the message
};

const std::vector<BadRow>& shape_rows() {
  static const std::vector<BadRow> rows = {
      {"gemm, N is no multiple of 8",
       "gemm",
       32,
       {{"m.qweight", "I32", {64, 2}}, {"m.scales", "F16", {2, 12}}},
       {"m: the shapes are of no known layout", "qweight I32 [64, 2]", "scales F16 [2, 12]"}},
      {"gemm, groups that do not divide K",
       "gemm",
       32,
       {{"m.qweight", "I32", {64, 2}}, {"m.qzeros", "I32", {3, 2}}, {"m.scales", "F16", {3, 16}}},
       {"m: AWQ GEMM: scales: got 3 groups", "64 input features", "qzeros I32 [3, 2]"}},
      {"gemm, qzeros too narrow",
       "gemm",
       32,
       {{"m.qweight", "I32", {64, 2}}, {"m.qzeros", "I32", {2, 1}}, {"m.scales", "F16", {2, 16}}},
       {"m: AWQ GEMM: qzeros: got I32 [2, 1], expected I32 [2, 2]", "scales F16 [2, 16]"}},
      {"gemm, qzeros too short",
       "gemm",
       32,
       {{"m.qweight", "I32", {64, 2}}, {"m.qzeros", "I32", {1, 2}}, {"m.scales", "F16", {2, 16}}},
       {"qzeros: got I32 [1, 2], expected I32 [2, 2]"}},
      {"gemm, qzeros of floats",
       "gemm",
       32,
       {{"m.qweight", "I32", {64, 2}}, {"m.qzeros", "F16", {2, 2}}, {"m.scales", "F16", {2, 16}}},
       {"qzeros: got F16 [2, 2], expected I32 [2, 2]"}},
      {"gemm, float32 scales",
       "gemm",
       32,
       {{"m.qweight", "I32", {64, 2}}, {"m.scales", "F32", {2, 16}}},
       {"scales: got F32 [2, 16], expected F16 or BF16 [2, 16]"}},
      {"gemm, a bias of another layer",
       "gemm",
       32,
       {{"m.qweight", "I32", {64, 2}}, {"m.scales", "F16", {2, 16}}, {"m.bias", "F16", {24}}},
       {"bias: got F16 [24], expected the shape [16]"}},
      {"one group per input feature",
       "gemm",
       1,
       {{"m.qweight", "I32", {64, 2}}, {"m.scales", "F16", {64, 16}}},
       {"no known layout"}},
      {"gemv, another group in the config",
       "gemv",
       64,
       {{"m.qweight", "I32", {8, 128}}, {"m.qzeros", "I32", {8, 1}}, {"m.scales", "F16", {8, 8}}},
       {"m: AWQ GEMV: scales: got F16 [8, 8], expected F16 or BF16 [8, 16]"}},
      {"gemv, a group without zeros_width",
       "gemv",
       16,
       {{"m.qweight", "I32", {8, 128}}, {"m.qzeros", "I32", {8, 1}}, {"m.scales", "F16", {8, 8}}},
       {"m: AWQ GEMV: group_size of the config: got 16", "qweight I32 [8, 128]"}},
      {"gemv, a group that does not divide K",
       "gemv",
       192,
       {{"m.qweight", "I32", {8, 128}}, {"m.qzeros", "I32", {8, 1}}, {"m.scales", "F16", {8, 8}}},
       {"group_size of the config: got 192", "1024 input features"}},
      {"gemv, one group of 96",
       "gemv",
       -1,
       {{"m.qweight", "I32", {8, 12}}, {"m.qzeros", "I32", {8, 1}}, {"m.scales", "F16", {8, 8}}},
       {"group_size of the config: got 96"}},
      {"gemv, qzeros too wide",
       "gemv",
       128,
       {{"m.qweight", "I32", {8, 128}}, {"m.qzeros", "I32", {8, 2}}, {"m.scales", "F16", {8, 8}}},
       {"qzeros: got I32 [8, 2], expected I32 [8, 1]"}},
      {"gemv, N is no multiple of 8",
       "gemv",
       128,
       {{"m.qweight", "I32", {9, 128}}, {"m.qzeros", "I32", {9, 1}}, {"m.scales", "F16", {9, 8}}},
       {"m: AWQ GEMV: output features: got 9, expected a multiple of 8"}},
      {"gemv, symmetric",
       "gemv",
       32,
       {{"m.qweight", "I32", {32, 4}}, {"m.scales", "F16", {32, 32}}},
       {"no known layout"}},
      {"gemv_fast, K is no multiple of 64",
       "gemv_fast",
       32,
       {{"m.qweight", "I16", {2, 96}}, {"m.qzeros", "F16", {32, 8}}, {"m.scales", "F16", {32, 8}}},
       {"m: AWQ GEMV_FAST: input features: got 96, expected a multiple of 64"}},
      {"gemv_fast, N is no multiple of 8",
       "gemv_fast",
       64,
       {{"m.qweight", "I16", {1, 64}}, {"m.qzeros", "F16", {16, 4}}, {"m.scales", "F16", {16, 4}}},
       {"output features: got 4, expected a multiple of 8"}},
      {"gemv_fast without zeros",
       "gemv_fast",
       64,
       {{"m.qweight", "I16", {2, 64}}, {"m.scales", "F16", {16, 8}}},
       {"m: AWQ GEMV_FAST: neither qzeros nor scaled_zeros", "scales F16 [16, 8]"}},
      {"gemv_fast, integer zeros",
       "gemv_fast",
       64,
       {{"m.qweight", "I16", {2, 64}}, {"m.qzeros", "I32", {16, 8}}, {"m.scales", "F16", {16, 8}}},
       {"qzeros: got I32 [16, 8], expected F16 [16, 8]"}},
      {"llm-awq v2, zeros of another type",
       "llm-awq",
       64,
       {{"m.qweight", "I16", {2, 64}},
        {"m.scaled_zeros", "F16", {16, 8}},
        {"m.scales", "BF16", {16, 8}}},
       {"m: llm-awq v2: scaled_zeros: got F16 [16, 8], expected BF16 [16, 8]"}},
      {"llm-awq v2, zeros twice",
       "llm-awq",
       64,
       {{"m.qweight", "I16", {2, 64}},
        {"m.qzeros", "F16", {16, 8}},
        {"m.scaled_zeros", "F16", {16, 8}},
        {"m.scales", "F16", {16, 8}}},
       {"both qzeros and scaled_zeros"}},
      {"marlin, N is no multiple of 64",
       "marlin",
       32,
       {{"m.qweight", "I32", {4, 64}}, {"m.scales", "F16", {2, 32}}},
       {"m: AWQ Marlin: output features: got 32, expected a multiple of 64"}},
      {"marlin, groups that do not divide K",
       "marlin",
       32,
       {{"m.qweight", "I32", {4, 128}}, {"m.scales", "F16", {3, 64}}},
       {"m: AWQ Marlin: scales: got 3 groups"}},
      {"three dimensions",
       "gemm",
       32,
       {{"m.qweight", "I32", {2, 64, 2}}, {"m.scales", "F16", {2, 2, 16}}},
       {"m: every packed tensor must have 2 dimensions", "qweight I32 [2, 64, 2]"}},
      {"one dimension",
       "gemm",
       32,
       {{"m.qweight", "I32", {64}}, {"m.scales", "F16", {16}}},
       {"m: every packed tensor must have 2 dimensions", "scales F16 [16]"}},
      {"no elements, and a product that overflows",
       "gemm",
       32,
       {{"m.qweight", "I32", {0, 4611686018427387904}}, {"m.scales", "F16", {0, 16}}},
       {"m: a packed tensor without elements", "qweight I32 [0, 4611686018427387904]"}},
      {"qweight of bytes",
       "gemm",
       32,
       {{"m.qweight", "U8", {64, 8}}, {"m.scales", "F16", {2, 16}}},
       {"m: qweight is neither I32 nor I16", "qweight U8 [64, 8]"}},
      {"scaled_zeros beside I32",
       "gemm",
       32,
       {{"m.qweight", "I32", {64, 2}},
        {"m.scaled_zeros", "F16", {2, 16}},
        {"m.scales", "F16", {2, 16}}},
       {"m: scaled_zeros beside an I32 qweight"}},
      {"weight beside qweight",
       "gemm",
       32,
       {{"m.qweight", "I32", {64, 2}}, {"m.scales", "F16", {2, 16}}, {"m.weight", "F16", {16, 64}}},
       {"m: a weight beside the qweight", "weight F16 [16, 64]"}},
  };
  return rows;
}

const std::vector<BadRow>& name_rows() {
  static const std::vector<BadRow> rows = {
      {"qweight without scales",
       "gemm",
       32,
       {{"m.qweight", "I32", {64, 2}}, {"m.qzeros", "I32", {2, 2}}},
       {"model.safetensors: m: no scales", "qweight I32 [64, 2], qzeros I32 [2, 2]"}},
      {"qzeros and scales without qweight",
       "gemm",
       32,
       {{"m.qzeros", "I32", {2, 2}}, {"m.scales", "F16", {2, 16}}},
       {"m.qzeros: I32 [2, 2] without a qweight"}},
      {"scales without qweight",
       "gemm",
       32,
       {{"m.scales", "F16", {2, 16}}},
       {"m.scales: F16 [2, 16] without a qweight"}},
      {"g_idx without qweight",
       "gemm",
       32,
       {{"m.g_idx", "I32", {64}}, {"m.scales", "F16", {2, 16}}},
       {"m.g_idx: I32 [64] without a qweight"}},
      {"GPTQ",
       "gemm",
       32,
       {{"m.qweight", "I32", {8, 16}},
        {"m.qzeros", "I32", {2, 2}},
        {"m.scales", "F16", {2, 16}},
        {"m.g_idx", "I32", {64}}},
       {"m: the quantization method GPTQ is not supported", "g_idx I32 [64]", "reads AWQ"}},
      {"GPTQ without g_idx",
       "gemm",
       32,
       {{"m.qweight", "I32", {8, 16}}, {"m.qzeros", "I32", {2, 2}}, {"m.scales", "F16", {2, 16}}},
       {"m: the quantization method GPTQ is not supported", "qweight I32 [8, 16]"}},
      {"GPTQ-Marlin",
       "gemm",
       32,
       {{"m.B", "I32", {4, 128}}, {"m.s", "F16", {2, 64}}},
       {"m.B: I32 [4, 128]: the quantization method GPTQ-Marlin"}},
      {"nvfp4",
       "gemm",
       32,
       {{"m.weight_packed", "U8", {16, 32}}},
       {"m.weight_packed: U8 [16, 32]: the quantization method compressed-tensors nvfp4 or mxfp4"}},
      {"marlin-24",
       "gemm",
       32,
       {{"m.weight_packed", "I32", {4, 32}},
        {"m.scale_packed", "F16", {1, 16}},
        {"m.meta", "I16", {16, 4}}},
       {"m.weight_packed: I32 [4, 32]: the quantization method compressed-tensors marlin-24"}},
      {"codes of another type",
       "gemm",
       32,
       {{"m.weight_packed", "I64", {16, 4}}, {"m.weight_scale", "BF16", {16, 2}}},
       {"m.weight_packed: I64 [16, 4]: the quantization method compressed-tensors with codes"}},
      {"weight_scale without weight_packed",
       "gemm",
       32,
       {{"m.weight_scale", "BF16", {16, 2}}, {"m.weight_shape", "I64", {2}}},
       {"m.weight_scale: BF16 [16, 2] without a weight_packed"}},
      {"weight_shape without weight_packed",
       "gemm",
       32,
       {{"m.weight_shape", "I64", {2}}},
       {"m.weight_shape: I64 [2] without a weight_packed"}},
      {"fp8 by block",
       "gemm",
       32,
       {{"m.weight", "F8_E4M3", {16, 64}}, {"m.weight_scale_inv", "F32", {1, 1}}},
       {"m.weight_scale_inv", "the quantization method fp8"}},
      {"fp8",
       "gemm",
       32,
       {{"m.weight", "F8_E4M3", {16, 64}}, {"m.weight_scale", "F32", {1}}},
       {"m.weight_scale", "the quantization method float8 or int8"}},
      {"bitsandbytes",
       "gemm",
       32,
       {{"m.weight", "U8", {512, 1}},
        {"m.weight.absmax", "F32", {16}},
        {"m.weight.quant_map", "F32", {16}}},
       {"m.weight.absmax", "the quantization method bitsandbytes"}},
      {"bitsandbytes int8",
       "gemm",
       32,
       {{"m.weight", "I8", {16, 64}}, {"m.SCB", "F32", {16}}},
       {"m.SCB", "bitsandbytes int8"}},
      {"HQQ", "gemm", 32, {{"m.W_q", "U8", {16, 32}}}, {"m.W_q", "method HQQ"}},
      {"AQLM",
       "gemm",
       32,
       {{"m.codes", "I16", {4, 4, 1}}, {"m.codebooks", "F16", {1, 16, 1, 8}}},
       {"m.codes", "method AQLM"}},
      {"MLX",
       "gemm",
       32,
       {{"m.weight", "U32", {16, 8}}, {"m.scales", "F16", {16, 1}}, {"m.biases", "F16", {16, 1}}},
       {"m.weight: U32 [16, 8]: the quantization method MLX"}},
      {"an adapter",
       "gemm",
       32,
       {{"m.lora_A.weight", "F16", {4, 8}}},
       {"m.lora_A.weight: adapters are not supported", "merge the adapter"}},
      {"a rotation",
       "gemm",
       32,
       {{"m.input_rotation", "F16", {8, 8}}},
       {"m.input_rotation: weights in a rotated basis"}},
      {"a hadamard matrix",
       "gemm",
       32,
       {{"m.Hadamard.weight", "F16", {8, 8}}},
       {"m.Hadamard.weight: weights in a rotated basis"}},
      {"nothing quantized",
       "gemm",
       32,
       {{"m.weight", "F16", {8, 8}}},
       {"nothing in it is quantized"}},
      {"qweight without a module",
       "gemm",
       32,
       {{"qweight", "I32", {64, 2}}, {"scales", "F16", {2, 16}}},
       {"nothing in it is quantized"}},
      {"two errors at once",
       "gemm",
       32,
       {{"a.qweight", "I32", {64, 2}}, {"b.qweight", "I32", {64, 2}}, {"b.scales", "F16", {2, 8}}},
       {"a: no scales", "b: the shapes are of no known layout"}},
  };
  return rows;
}

void check_refused(const std::vector<BadRow>& rows) {
  for (const BadRow& row : rows) {
    CAPTURE(row.name);
    const test::ModelDirectory directory;
    directory.write_model(R"({"quantization_config": {"bits": 4, "version": ")" +
                              std::string(row.version) + R"(", "group_size": )" +
                              std::to_string(row.group_size) + "}}",
                          row.tensors);
    const Checkpoint checkpoint = directory.open();
    const Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
    REQUIRE(!result.ok());
    CHECK(result.error().code == ErrorCode::input);
    for (const std::string& expected : row.expected) {
      CHECK_MESSAGE(result.error().text().find(expected) != std::string::npos,
                    result.error().text());
    }
  }
}

TEST_CASE("find_quantized_linears: shapes and types that lie: refused with all shapes") {
  check_refused(shape_rows());
}

TEST_CASE("find_quantized_linears: tensors that must not be copied: refused by name") {
  check_refused(name_rows());
}

TEST_CASE("find_quantized_linears: AutoAWQ's scaled activations: both are listed, none is lost") {
  Result<Checkpoint> checkpoint =
      open_checkpoint(real_file_system(), THAW_TEST_DATA "/starcoder2-awq-act_scales/model");
  REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.error().text());
  const Result<QuantizedLinears> result = find_quantized_linears(checkpoint.value());
  REQUIRE(result.ok());
  const std::vector<const Tensor*>& scales = result.value().activation_scales;
  REQUIRE(scales.size() == 2);
  CHECK(scales[0]->name == "model.layers.0.mlp.act.scales");
  CHECK(scales[1]->name == "model.layers.1.mlp.act.scales");
}

}  // namespace
}  // namespace thaw
