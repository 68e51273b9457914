// specs/awq.md clauses 2 to 6 and 8: what is recognised, and how its bytes are described.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "quant/golden_cases.h"
#include "quant/linears.h"
#include "quant/model_files.h"
#include "support/places.h"

namespace thaw {
namespace {

QuantizedLinears find(const Checkpoint& checkpoint) {
  Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
  REQUIRE_MESSAGE(result.ok(), result.error().text());
  return std::move(result).value();
}

// lines * pitch must fill the tensor, or for padded layouts stay inside; and a line must hold what
// its description says.
void check_operand(const QuantizedLinear& linear, const PackedOperand& operand) {
  REQUIRE(operand.tensor != nullptr);
  CHECK(operand.lines >= 1);
  CHECK(operand.lines * operand.pitch <= operand.tensor->size());
  if (operand.out_features_per_line != 0) {
    CHECK(operand.lines * operand.out_features_per_line == linear.out_features);
    CHECK(linear.layout->row_block % operand.out_features_per_line == 0);
    CHECK(operand.lines * operand.pitch == operand.tensor->size());
  } else {
    REQUIRE(operand.block_rows != 0);
    CHECK(linear.layout->row_block % operand.block_rows == 0);
    CHECK(linear.out_features / operand.block_rows * operand.block_bytes == operand.pitch);
  }
}

void check_linear(const QuantizedLinear& linear) {
  REQUIRE(linear.layout != nullptr);
  CHECK(linear.group_size >= 1);
  if (linear.layout->family == LayoutFamily::awq) {
    CHECK(linear.in_features % linear.group_size == 0);
    CHECK(linear.out_features % linear.layout->row_block == 0);
  }
  CHECK(linear.layout->row_step % linear.layout->row_block == 0);
  CHECK(linear.layout->columns_strided == (linear[Role::codes].block_rows != 0));
  check_operand(linear, linear[Role::codes]);
  check_operand(linear, linear[Role::scales]);
  if (!linear.is_symmetric()) check_operand(linear, linear[Role::zeros]);
  CHECK(linear[Role::codes].lines * linear[Role::codes].pitch ==
        linear.in_features * linear.out_features * linear.bits / 8);
}

// compressed-tensors: as many rows as there are, and nothing beyond the tensors.
void check_compressed(const QuantizedLinear& linear) {
  REQUIRE(linear.layout != nullptr);
  CHECK(linear.layout->name == "ct_pack");
  CHECK(linear.layout->row_block == 1);
  CHECK(linear.group_size >= 1);
  CHECK(linear.group_size <= linear.in_features);
  for (const PackedOperand& operand : linear.operands) {
    if (operand.tensor == nullptr) continue;
    CHECK(operand.lines >= 1);
    CHECK(operand.lines * operand.pitch <= operand.tensor->size());
    CHECK(operand.block_rows == 0);
    if (operand.out_features_per_line == 0) continue;
    CHECK(operand.lines * operand.pitch == operand.tensor->size());
    CHECK(operand.lines * operand.out_features_per_line >= linear.out_features);
  }
  CHECK(linear[Role::codes].pitch * 8 >= linear.in_features * linear.bits);
}

TEST_CASE("find_quantized_linears: every golden file: layout, shape and operands") {
  for (const test::GoldenCase& golden : test::golden_cases()) {
    CAPTURE(golden.name);
    const test::ModelDirectory directory;
    golden.write_to(directory);
    const Checkpoint checkpoint = directory.open();
    const QuantizedLinears result = find(checkpoint);
    REQUIRE(result.linears.size() == 1);
    const QuantizedLinear& linear = result.linears[0];
    CHECK(linear.module == "layer");
    CHECK(linear.layout->name == golden.kernel_name());
    CHECK((linear.layout->title == "llm-awq v2") == (golden.layout == "llm-awq-v2"));
    CHECK(linear.in_features == golden.in_features);
    CHECK(linear.out_features == golden.out_features);
    CHECK(linear.group_size == golden.group_size);
    CHECK(linear.bits == golden.bits);
    CHECK(dtype_name(linear.scale_dtype) == golden.scale_dtype);
    CHECK(linear.bits == golden.bits);
    golden.layout == "ct-pack" ? check_compressed(linear) : check_linear(linear);
    for (const std::string& warning : result.warnings) FAIL_CHECK(warning);
    for (std::size_t i = 0; i < result.consumed.size(); ++i) {
      const std::string_view name = checkpoint.tensors()[i].name;
      const bool packed = name.starts_with("layer.") && name != "layer.bias";
      CHECK(result.consumed[i] == (packed ? 1 : 0));
    }
  }
}

TEST_CASE("find_quantized_linears: the AutoAWQ checkpoints: 14 linears of the right layout") {
  struct Row {
    std::string folder;
    const char* layout;
    std::uint64_t group_size;
  };
  for (const Row& row :
       {Row{"qwen2-awq-gemm", "awq_gemm", 64}, Row{"qwen2-awq-gemv", "awq_gemv", 64},
        Row{"qwen2-awq-gemv_fast", "awq_gemv_fast", 64},
        Row{"qwen2-awq-marlin", "awq_marlin", 128}}) {
    CAPTURE(row.folder);
    Result<Checkpoint> checkpoint =
        open_checkpoint(real_file_system(), THAW_TEST_DATA "/" + row.folder + "/model");
    REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.error().text());
    const QuantizedLinears result = find(checkpoint.value());
    CHECK(result.linears.size() == 14);
    CHECK(result.warnings.empty());
    for (const QuantizedLinear& linear : result.linears) {
      CAPTURE(std::string(linear.module));
      CHECK(linear.layout->name == row.layout);
      CHECK(linear.group_size == row.group_size);
      CHECK(linear.in_features == (linear.module.ends_with("down_proj") ? 384 : 128));
      check_linear(linear);
    }
  }
}

std::string config(const std::string& version, std::int64_t group_size) {
  return R"({"quantization_config": {"quant_method": "awq", "bits": 4, "version": ")" + version +
         R"(", "group_size": )" + std::to_string(group_size) + "}}";
}

struct GoodRow {
  std::string name;
  std::string config;
  std::vector<test::ZeroTensor> tensors;
  const char* layout;
  std::uint64_t in_features;
  std::uint64_t out_features;
  std::uint64_t group_size;
  std::vector<std::string> warnings = {};  // parts of them, in order
};

const std::vector<GoodRow>& good_rows() {
  static const std::vector<GoodRow> rows = {
      {"gemm, no config at all",
       "",
       {{"m.qweight", "I32", {64, 2}}, {"m.qzeros", "I32", {2, 2}}, {"m.scales", "F16", {2, 16}}},
       "awq_gemm",
       64,
       16,
       32},
      {"gemm, an odd group",
       config("gemm", 20),
       {{"m.qweight", "I32", {60, 1}}, {"m.qzeros", "I32", {3, 1}}, {"m.scales", "BF16", {3, 8}}},
       "awq_gemm",
       60,
       8,
       20},
      {"gemm, symmetric",
       config("ipex", 32),
       {{"m.qweight", "I32", {64, 2}}, {"m.scales", "F16", {2, 16}}},
       "awq_gemm",
       64,
       16,
       32},
      {"gemm, the config says gemv",
       config("gemv", 32),
       {{"m.qweight", "I32", {64, 2}}, {"m.qzeros", "I32", {2, 2}}, {"m.scales", "F16", {2, 16}}},
       "awq_gemm",
       64,
       16,
       32,
       {"config.json: quantization_config says version gemv, but 1 module is different by shape "
        "(m: AWQ GEMM)"}},
      {"gemm, the config says another group",
       config("gemm", 128),
       {{"m.qweight", "I32", {64, 2}}, {"m.qzeros", "I32", {2, 2}}, {"m.scales", "F16", {2, 16}}},
       "awq_gemm",
       64,
       16,
       32,
       {"says group_size 128, but 1 module is different by shape (m: 32)"}},
      {"gemm, both",
       config("marlin", -1),
       {{"m.qweight", "I32", {64, 2}}, {"m.qzeros", "I32", {2, 2}}, {"m.scales", "F16", {2, 16}}},
       "awq_gemm",
       64,
       16,
       32,
       {"version marlin", "group_size -1"}},
      {"gemv that has the shapes of gemm",  // clause 8.2, line 3
       config("gemv", 32),
       {{"m.qweight", "I32", {32, 4}}, {"m.qzeros", "I32", {32, 4}}, {"m.scales", "F16", {32, 32}}},
       "awq_gemv",
       32,
       32,
       32},
      {"gemv that has the shapes of GPTQ",
       config("gemv", 64),
       {{"m.qweight", "I32", {8, 16}}, {"m.qzeros", "I32", {8, 2}}, {"m.scales", "F16", {8, 16}}},
       "awq_gemv",
       128,
       8,
       64},
      {"gemv, padded groups",
       config("gemv", 128),
       {{"m.qweight", "I32", {8, 112}}, {"m.qzeros", "I32", {8, 1}}, {"m.scales", "F16", {8, 8}}},
       "awq_gemv",
       896,
       8,
       128},
      {"gemv, a group above 128",
       config("gemv", 256),
       {{"m.qweight", "I32", {8, 64}}, {"m.qzeros", "I32", {8, 1}}, {"m.scales", "F16", {8, 8}}},
       "awq_gemv",
       512,
       8,
       256},
      {"gemv, the group that nobody said",
       R"({"quantization_config": {"version": "gemv"}})",
       {{"m.qweight", "I32", {8, 32}}, {"m.qzeros", "I32", {8, 1}}, {"m.scales", "F16", {8, 8}}},
       "awq_gemv",
       256,
       8,
       128},
      {"gemv_fast, bfloat16 scales",
       config("GEMV_FAST", 64),
       {{"m.qweight", "I16", {2, 128}},
        {"m.qzeros", "BF16", {16, 8}},
        {"m.scales", "BF16", {16, 8}}},
       "awq_gemv_fast",
       128,
       8,
       64},
      {"llm-awq v2",
       config("llm-awq", 128),
       {{"m.qweight", "I16", {4, 128}},
        {"m.scaled_zeros", "BF16", {8, 16}},
        {"m.scales", "BF16", {8, 16}}},
       "awq_gemv_fast",
       128,
       16,
       128},
      {"gemm, float32 scales",
       config("gemm", 32),
       {{"m.qweight", "I32", {64, 2}}, {"m.qzeros", "I32", {2, 2}}, {"m.scales", "F32", {2, 16}}},
       "awq_gemm",
       64,
       16,
       32},
      {"gemv, float32 scales",
       config("gemv", 128),
       {{"m.qweight", "I32", {8, 112}}, {"m.qzeros", "I32", {8, 1}}, {"m.scales", "F32", {8, 8}}},
       "awq_gemv",
       896,
       8,
       128},
      {"gemv_fast, float32 scales",
       config("gemv_fast", 64),
       {{"m.qweight", "I16", {2, 128}}, {"m.qzeros", "F32", {16, 8}}, {"m.scales", "F32", {16, 8}}},
       "awq_gemv_fast",
       128,
       8,
       64},
      {"marlin, float32 scales",
       config("marlin", -1),
       {{"m.qweight", "I32", {4, 128}}, {"m.scales", "F32", {1, 64}}},
       "awq_marlin",
       64,
       64,
       64},
      {"marlin, one group",
       config("marlin", -1),
       {{"m.qweight", "I32", {4, 128}}, {"m.scales", "F16", {1, 64}}},
       "awq_marlin",
       64,
       64,
       64},
  };
  return rows;
}

TEST_CASE("find_quantized_linears: shapes of every kind: recognised") {
  for (const GoodRow& row : good_rows()) {
    CAPTURE(row.name);
    const test::ModelDirectory directory;
    directory.write_model(row.config, row.tensors);
    const Checkpoint checkpoint = directory.open();
    const QuantizedLinears result = find(checkpoint);
    REQUIRE(result.linears.size() == 1);
    const QuantizedLinear& linear = result.linears[0];
    CHECK(linear.layout->name == row.layout);
    CHECK(linear.in_features == row.in_features);
    CHECK(linear.out_features == row.out_features);
    CHECK(linear.group_size == row.group_size);
    check_linear(linear);
    REQUIRE(result.warnings.size() == row.warnings.size());
    for (std::size_t i = 0; i < row.warnings.size(); ++i) {
      CHECK_MESSAGE(result.warnings[i].find(row.warnings[i]) != std::string::npos,
                    result.warnings[i]);
    }
  }
}

TEST_CASE("find_quantized_linears: a file of one linear: a module without a name") {
  struct Row {
    const char* layout;
    std::vector<test::ZeroTensor> tensors;
  };
  for (const Row& row : std::vector<Row>{
           {"awq_gemm",
            {{"qweight", "I32", {64, 2}},
             {"qzeros", "I32", {2, 2}},
             {"scales", "F16", {2, 16}},
             {"bias", "F16", {16}}}},
           {"gptq",
            {{"qweight", "I32", {8, 16}},
             {"qzeros", "I32", {2, 2}},
             {"scales", "F16", {2, 16}},
             {"g_idx", "I32", {64}}}},
           {"ct_pack", {{"weight_packed", "I32", {16, 8}}, {"weight_scale", "F16", {16, 2}}}}}) {
    CAPTURE(row.layout);
    const test::ModelDirectory directory;
    directory.write_model("", row.tensors);
    const Checkpoint checkpoint = directory.open();
    const Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
    REQUIRE_MESSAGE(result.ok(), result.error().text());
    REQUIRE(result.value().linears.size() == 1);
    const QuantizedLinear& linear = result.value().linears[0];
    CHECK(linear.module.empty());
    CHECK(linear.layout->name == row.layout);
    CHECK(linear.out_features == 16);
    CHECK(linear.in_features == 64);
    for (std::size_t i = 0; i < row.tensors.size(); ++i) {
      const bool bias = checkpoint.tensors()[i].name == "bias";
      CHECK(result.value().consumed[i] == (bias ? 0 : 1));
    }
  }
}

TEST_CASE("find_quantized_linears: partners in other shards: found by name") {
  const test::ModelDirectory directory;
  directory.write("config.json", config("gemm", 32));
  directory.write(
      "model-00001-of-00002.safetensors",
      test::safetensors_of({{"a.qweight", "I32", {64, 2}}, {"b.scales", "F16", {2, 8}}}));
  directory.write("model-00002-of-00002.safetensors",
                  test::safetensors_of({{"b.qweight", "I32", {64, 1}},
                                        {"b.qzeros", "I32", {2, 1}},
                                        {"a.scales", "F16", {2, 16}},
                                        {"a.qzeros", "I32", {2, 2}}}));
  directory.write("model.safetensors.index.json", R"({"metadata": {}, "weight_map": {
      "a.qweight": "model-00001-of-00002.safetensors",
      "b.scales": "model-00001-of-00002.safetensors",
      "b.qweight": "model-00002-of-00002.safetensors",
      "b.qzeros": "model-00002-of-00002.safetensors",
      "a.scales": "model-00002-of-00002.safetensors",
      "a.qzeros": "model-00002-of-00002.safetensors"}})");
  const Checkpoint checkpoint = directory.open();
  const QuantizedLinears result = find(checkpoint);
  REQUIRE(result.linears.size() == 2);
  CHECK(result.linears[0][Role::codes].tensor->shard !=
        result.linears[0][Role::scales].tensor->shard);
  CHECK(result.linears[1][Role::codes].tensor->shard !=
        result.linears[1][Role::scales].tensor->shard);
}

TEST_CASE("find_quantized_linears: linears come sorted by module, ordinary tensors stay ordinary") {
  std::vector<test::ZeroTensor> tensors;
  for (const std::string module : {"a", "a-b", "a.b", "a.r"}) {
    tensors.push_back({module + ".qweight", "I32", {32, 1}});
    tensors.push_back({module + ".scales", "F16", {1, 8}});
  }
  const std::size_t packed = tensors.size();
  tensors.push_back({"embeddings.position_ids", "I64", {1, 512}});
  tensors.push_back({"mask", "U8", {4, 4}});
  tensors.push_back({"table.ids", "I32", {4}});
  tensors.push_back({"x.weight_scale", "F32", {1}});
  tensors.push_back({"y.scales", "F32", {4}});
  tensors.push_back({"z.scales", "BF16", {4}});
  tensors.push_back({"z.weight", "BF16", {4}});
  const test::ModelDirectory directory;
  directory.write_model("", tensors);
  const Checkpoint checkpoint = directory.open();
  const QuantizedLinears result = find(checkpoint);
  REQUIRE(result.linears.size() == 4);
  CHECK(result.linears[0].module == "a");
  CHECK(result.linears[1].module == "a-b");
  CHECK(result.linears[2].module == "a.b");
  CHECK(result.linears[3].module == "a.r");
  std::size_t consumed = 0;
  for (const std::uint8_t flag : result.consumed) consumed += flag;
  CHECK(result.consumed.size() == tensors.size());
  CHECK(consumed == packed);
}

}  // namespace
}  // namespace thaw
