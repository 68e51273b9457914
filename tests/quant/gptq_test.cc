// specs/gptq.md: what of a GPTQ module its shapes, its content and its config decide.
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "quant/linears.h"
#include "quant/model_files.h"
#include "support/safetensors_file.h"

namespace thaw {
namespace {

using testing::TensorSpec;

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string words(std::uint64_t count, std::uint32_t word) {
  return bytes_of(std::vector<std::uint32_t>(count, word));
}

template <typename T>
std::string index_by(std::uint64_t inputs, T (*group)(std::uint64_t)) {
  std::vector<T> entries;
  for (std::uint64_t k = 0; k < inputs; ++k) entries.push_back(group(k));
  return bytes_of(entries);
}

// A module of 64 inputs, 16 outputs and two groups of 32, every field of its zeros that of `zeros`.
std::vector<TensorSpec> module_of(std::uint32_t zeros, const std::string& name = "m") {
  return {{name + ".qweight", Dtype::i32, {8, 16}},
          {name + ".qzeros", Dtype::i32, {2, 2}, words(4, zeros)},
          {name + ".scales", Dtype::f16, {2, 16}}};
}

std::vector<TensorSpec> with(std::vector<TensorSpec> tensors, TensorSpec more) {
  tensors.push_back(std::move(more));
  return tensors;
}

std::string gptq(const std::string& more) {
  return R"({"model_type": "llama", "quantization_config": {"quant_method": "gptq", "bits": 4,)"
         R"( "group_size": 32)" +
         (more.empty() ? "" : ", " + more) + "}}";
}

QuantizedLinears find(const std::string& config, const std::vector<TensorSpec>& tensors) {
  const test::ModelDirectory directory;
  if (!config.empty()) directory.write("config.json", config);
  directory.write("model.safetensors", testing::safetensors(tensors));
  const Checkpoint checkpoint = directory.open();
  Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
  REQUIRE_MESSAGE(result.ok(), result.error().text());
  for (const QuantizedLinear& linear : result.value().linears) {
    CHECK(linear[Role::codes].lines * linear[Role::codes].pitch ==
          linear[Role::codes].tensor->size());
    CHECK(linear[Role::scales].lines * linear[Role::scales].pitch ==
          linear[Role::scales].tensor->size());
  }
  QuantizedLinears found = std::move(result).value();
  for (std::uint8_t consumed : found.consumed) CHECK(consumed == 1);
  for (QuantizedLinear& linear : found.linears) linear.module = {};  // points into the checkpoint
  return found;
}

constexpr std::uint32_t kNone = 1;  // no qzeros: half of the range

struct ZeroRow {
  std::string name;
  std::string config;
  std::uint32_t stored;
  std::uint32_t addend;  // or kNone
  bool warns = false;
};

TEST_CASE("GPTQ zeros: sym, format and content decide, in that order") {
  const std::vector<ZeroRow> rows = {
      {"no config", "", 0x77777777, 0x11111111},
      {"no config, mislabelled", "", 0x88888888, kNone},
      {"v1", gptq(""), 0x12345678, 0x11111111},
      {"v1, mislabelled", gptq(R"("checkpoint_format": "gptq")"), 0x88888888, kNone},
      {"v1, nearly", gptq(""), 0x88888889, 0x11111111},
      {"v1, not sym", gptq(R"("sym": false)"), 0x88888888, 0x11111111},
      {"v1, sym", gptq(R"("sym": true)"), 0x77777777, kNone},
      {"v1, sym whatever is stored", gptq(R"("sym": true)"), 0xffffffff, kNone},
      {"v1, a field of 15", gptq(R"("sym": false)"), 0x7f777777, 0x11111111, true},
      {"v1, sym not said, fields of 15", gptq(""), 0xffffffff, 0x11111111, true},
      {"v2", gptq(R"("checkpoint_format": "gptq_v2")"), 0x88888888, 0},
      {"v2, not sym", gptq(R"("format": "gptq_v2", "sym": false)"), 0x12345678, 0},
      {"v2, sym", gptq(R"("format": "gptq_v2", "sym": true)"), 0x77777777, kNone},
      {"v2, fields of 15", gptq(R"("format": "gptq_v2")"), 0xffffffff, 0},
      {"gptq_p", gptq(R"("checkpoint_format": "gptq_p")"), 0x88888888, 0},
      {"auto-round", R"({"quantization_config": {"quant_method": "auto-round", "bits": 4,
          "group_size": 32, "sym": false, "packing_format": "auto_round:auto_gptq"}})",
       0x77777777, 0x11111111},
      {"auto-round, its own", R"({"quantization_config": {"quant_method": "auto-round", "bits": 4,
          "group_size": 32, "sym": false, "packing_format": "auto_round"}})",
       0x88888888, 0},
      {"dynamic", gptq(R"("sym": false, "dynamic": {"-:x": {}, "+:m": {"sym": true}})"), 0x77777777,
       kNone},
      {"the first of dynamic", gptq(R"("dynamic": {"m": {"sym": true}, ".*": {"sym": false}})"),
       0x77777777, kNone},
      {"left out by dynamic", gptq(R"("sym": false, "dynamic": {"-:m": {}, "m": {"sym": true}})"),
       0x77777777, 0x11111111},
      {"dynamic matches from the beginning",
       gptq(R"("sym": false, "dynamic": {"+:(?=x)m|\\w{2}|n.*": {"sym": true}})"), 0x77777777,
       0x11111111},
      {"extra_config", R"({"quantization_config": {"quant_method": "auto-round", "bits": 4,
          "group_size": 32, "sym": false, "extra_config": {"m": {"sym": true}}}})",
       0x77777777, kNone},
      {"extra_config, a name before a pattern",
       R"({"quantization_config": {"quant_method": "auto-round", "bits": 4, "group_size": 32,
          "sym": true, "extra_config": {"^m$": {"sym": true}, "m": {"sym": false}}}})",
       0x77777777, 0x11111111},
      {"extra_config, a pattern", R"({"quantization_config": {"quant_method": "auto-round",
          "bits": 4, "group_size": 32, "extra_config": {"m|x": {"sym": true}}}})",
       0x77777777, kNone},
  };
  for (const ZeroRow& row : rows) {
    CAPTURE(row.name);
    const QuantizedLinears found = find(row.config, module_of(row.stored));
    REQUIRE(found.linears.size() == 1);
    const QuantizedLinear& linear = found.linears[0];
    CHECK((linear[Role::zeros].tensor == nullptr) == (row.addend == kNone));
    CHECK(linear.zero_addend == (row.addend == kNone ? 0 : row.addend));
    REQUIRE(found.warnings.size() == (row.warns ? 1 : 0));
    if (row.warns) {
      CHECK_MESSAGE(found.warnings[0].find("1 module has GPTQ v1 zero points of 15") == 0,
                    found.warnings[0]);
    }
  }
}

TEST_CASE("GPTQ zeros: padding does not count, and the warning counts modules") {
  // 20 outputs of 8 bits, five words of four; 18 outputs leave two fields of the last word.
  const std::vector<TensorSpec> tensors = {
      {"a.qweight", Dtype::i32, {8, 18}},
      {"a.qzeros",
       Dtype::i32,
       {1, 5},
       bytes_of<std::uint32_t>({0x80808080, 0x80808080, 0x80808080, 0x80808080, 0xffff8080})},
      {"a.scales", Dtype::f16, {1, 18}},
      {"b.qweight", Dtype::i32, {8, 18}},
      {"b.qzeros",
       Dtype::i32,
       {1, 5},
       bytes_of<std::uint32_t>({0x80808080, 0x80808080, 0xff808080, 0x80808080, 0x00008080})},
      {"b.scales", Dtype::f16, {1, 18}},
  };
  const QuantizedLinears found = find(
      R"({"quantization_config": {"quant_method": "gptq", "bits": 8, "group_size": -1}})", tensors);
  REQUIRE(found.linears.size() == 2);
  CHECK(found.linears[0][Role::zeros].tensor == nullptr);
  CHECK(found.linears[1].zero_addend == 0x01010101);
  CHECK(found.linears[1].bits == 8);
  CHECK(found.linears[1].group_size == 32);
  REQUIRE(found.warnings.size() == 1);
  CHECK(found.warnings[0].find("1 module has GPTQ v1 zero points of 255") == 0);
  CHECK(found.warnings[0].find("(first: b)") != std::string::npos);
}

struct ShapeRow {
  std::string name;
  std::string config;
  std::vector<TensorSpec> tensors;
  std::uint64_t in_features, out_features, group_size;
  std::uint32_t bits = 4;
  bool has_index = false;
  const char* layout = "gptq";
  std::vector<std::string> warnings = {};
};

TensorSpec index(std::uint64_t inputs, std::int32_t (*group)(std::uint64_t)) {
  return {"m.g_idx", Dtype::i32, {inputs}, index_by<std::int32_t>(inputs, group)};
}

TensorSpec long_index(std::uint64_t inputs, std::int64_t (*group)(std::uint64_t)) {
  return {"m.g_idx", Dtype::i64, {inputs}, index_by<std::int64_t>(inputs, group)};
}

const std::vector<ShapeRow>& shape_rows() {
  static const std::vector<ShapeRow> rows = {
      {"no index", gptq(""), module_of(0x77777777), 64, 16, 32},
      {"an empty index", gptq(""), with(module_of(0x77777777), {"m.g_idx", Dtype::i32, {0}}), 64,
       16, 32},
      {"an index in order", gptq(""),
       with(module_of(0),
            index(64, [](std::uint64_t k) { return static_cast<std::int32_t>(k / 32); })),
       64, 16, 32},
      {"an index in order, counted from the end", gptq(""),
       with(module_of(0),
            index(64, [](std::uint64_t k) { return static_cast<std::int32_t>(k / 32) - 2; })),
       64, 16, 32},
      {"act-order", gptq(R"("desc_act": true)"),
       with(module_of(0),
            index(64, [](std::uint64_t k) { return static_cast<std::int32_t>(k % 2); })),
       64, 16, 32, 4, true},
      {"act-order, 64 bits, from the end", gptq(""),
       with(module_of(0),
            long_index(64, [](std::uint64_t k) { return -1 - static_cast<std::int64_t>(k % 2); })),
       64, 16, 32, 4, true},
      {"an index that says another group", gptq(""),
       with(module_of(0), index(64, [](std::uint64_t k) { return k < 48 ? 0 : 1; })), 64, 16, 32, 4,
       true},
      {"a short last group",
       gptq(""),
       {{"m.qweight", Dtype::i32, {10, 16}},
        {"m.qzeros", Dtype::i32, {3, 2}},
        {"m.scales", Dtype::bf16, {3, 16}}},
       80,
       16,
       32},
      {"one group that is not full",
       gptq(""),
       {{"m.qweight", Dtype::i32, {3, 16}},
        {"m.qzeros", Dtype::i32, {1, 2}},
        {"m.scales", Dtype::f16, {1, 16}}},
       24,
       16,
       24},
      {"one group",
       R"({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": -1}})",
       {{"m.qweight", Dtype::i32, {8, 16}},
        {"m.qzeros", Dtype::i32, {1, 2}},
        {"m.scales", Dtype::f16, {1, 16}}},
       64,
       16,
       64},
      {"inputs and outputs that fill no word",
       gptq(""),
       {{"m.qweight", Dtype::i32, {9, 13}},
        {"m.qzeros", Dtype::i32, {3, 2}},
        {"m.scales", Dtype::f16, {3, 13}},
        index(70, [](std::uint64_t k) { return static_cast<std::int32_t>(k / 32); })},
       70,
       13,
       32},
      {"the config says another group",
       R"({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}})",
       module_of(0),
       64,
       16,
       32,
       4,
       false,
       "gptq",
       {"says group_size 128, but 1 module is different by shape (m: 32)"}},
      {"the config says another width",
       R"({"quantization_config": {"quant_method": "gptq", "bits": 8, "group_size": 32}})",
       module_of(0),
       64,
       16,
       32,
       4,
       false,
       "gptq",
       {"says bits 8, but 1 module is different by shape (m: 4)"}},
      {"the config says AWQ",
       R"({"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 32}})",
       module_of(0),
       64,
       16,
       32,
       4,
       false,
       "gptq",
       {"says version gemm, but 1 module is different by shape (m: GPTQ)"}},
      {"the config says GPTQ",
       gptq(""),
       {{"m.qweight", Dtype::i32, {64, 2}}, {"m.scales", Dtype::f16, {2, 16}}},
       64,
       16,
       32,
       4,
       false,
       "awq_gemm",
       {"says method gptq, but 1 module is different by shape (m: AWQ GEMM)"}},
      {"8 bits by dynamic",
       gptq(R"("dynamic": {"+:m": {"bits": 8, "group_size": 16}})"),
       {{"m.qweight", Dtype::i32, {16, 16}},
        {"m.qzeros", Dtype::i32, {4, 4}},
        {"m.scales", Dtype::f16, {4, 16}}},
       64,
       16,
       16,
       8},
      {"without zeros, sym",
       gptq(R"("sym": true)"),
       {{"m.qweight", Dtype::i32, {8, 16}}, {"m.scales", Dtype::f16, {2, 16}}},
       64,
       16,
       32},
  };
  return rows;
}

TEST_CASE("GPTQ shapes: width, sizes and groups as tensors and config have them") {
  for (const ShapeRow& row : shape_rows()) {
    CAPTURE(row.name);
    const QuantizedLinears found = find(row.config, row.tensors);
    REQUIRE(found.linears.size() == 1);
    const QuantizedLinear& linear = found.linears[0];
    CHECK(linear.layout->name == row.layout);
    CHECK(linear.in_features == row.in_features);
    CHECK(linear.out_features == row.out_features);
    CHECK(linear.group_size == row.group_size);
    CHECK(linear.bits == row.bits);
    CHECK((linear[Role::group_index].tensor != nullptr) == row.has_index);
    REQUIRE(found.warnings.size() == row.warnings.size());
    for (std::size_t i = 0; i < row.warnings.size(); ++i) {
      CHECK_MESSAGE(found.warnings[i].find(row.warnings[i]) != std::string::npos,
                    found.warnings[i]);
    }
  }
}

TEST_CASE("GPTQ names: input embeddings and Conv1D keep [inputs, outputs], lm_head does not") {
  struct Row {
    const char* module;
    const char* model_type;
    bool rows;
  };
  for (const Row& row :
       {Row{"model.embed_tokens", "llama", true}, Row{"transformer.wte", "x", true},
        Row{"transformer.word_embeddings", "x", true}, Row{"gpt_neox.embed_in", "x", true},
        Row{"model.tok_embeddings", "x", true}, Row{"wte", "x", true},
        Row{"lm_head", "llama", false}, Row{"gpt_neox.embed_out", "x", false},
        Row{"transformer.h.0.attn.c_attn", "gpt2", true},
        Row{"transformer.h.0.attn.c_proj", "gpt2", true},
        Row{"transformer.h.0.mlp.c_fc", "gpt2", true},
        Row{"transformer.h.0.mlp.c_fc", "gpt_bigcode", false},
        Row{"transformer.h.0.mlp.c_fc2", "gpt2", false}}) {
    CAPTURE(row.module);
    const std::string config = std::string(R"({"model_type": ")") + row.model_type +
                               R"(", "quantization_config": {"quant_method": "gptq", "bits": 4,
                                   "group_size": 32, "lm_head": false}})";
    std::vector<TensorSpec> tensors = module_of(0, row.module);
    const QuantizedLinears found = find(config, tensors);
    REQUIRE(found.linears.size() == 1);
    CHECK(found.linears[0].layout->name == (row.rows ? "gptq_rows" : "gptq"));
    CHECK(found.linears[0].out_features == (row.rows ? 64 : 16));
    CHECK(found.linears[0].in_features == (row.rows ? 16 : 64));
    CHECK(found.linears[0].group_size == 32);
  }
}

TEST_CASE("GPTQ g_idx: an entry that is no group: refused with the entry") {
  struct Row {
    std::int64_t entry;
    bool good;
  };
  for (const Row& row :
       {Row{1, true}, Row{-2, true}, Row{2, false}, Row{-3, false},
        Row{std::int64_t{1} << 32, false}, Row{INT64_MAX, false}, Row{INT64_MIN, false}}) {
    CAPTURE(row.entry);
    std::vector<std::int64_t> entries(64, 0);
    entries[7] = row.entry;
    const test::ModelDirectory directory;
    directory.write("config.json", gptq(""));
    directory.write(
        "model.safetensors",
        testing::safetensors(with(module_of(0), {"m.g_idx", Dtype::i64, {64}, bytes_of(entries)})));
    const Checkpoint checkpoint = directory.open();
    const Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
    REQUIRE(result.ok() == row.good);
    if (row.good) continue;
    const std::string expected =
        "m: GPTQ: g_idx: entry 7: got " + std::to_string(row.entry) + ", expected -2 to 1";
    CHECK_MESSAGE(result.error().text().find(expected) != std::string::npos, result.error().text());
  }
}

TEST_CASE("overrides: patterns that take for ever: refused") {
  std::string rules;
  for (int i = 0; i < 2000; ++i) {
    rules += (i == 0 ? "" : ", ") + std::string("\"+:(?=.*x).{900}y") + std::to_string(i) +
             "\": {\"bits\": 8}";
  }
  std::vector<TensorSpec> tensors;
  for (int i = 0; i < 20; ++i) {
    const std::string module = std::string(60, 'm') + std::to_string(i);
    for (TensorSpec& tensor : module_of(0, module)) tensors.push_back(std::move(tensor));
  }
  const test::ModelDirectory directory;
  directory.write("config.json", gptq("\"dynamic\": {" + rules + "}"));
  directory.write("model.safetensors", testing::safetensors(tensors));
  const Checkpoint checkpoint = directory.open();
  const Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
  REQUIRE(!result.ok());
  CHECK(result.error().text().find("take too long to match") != std::string::npos);
}

}  // namespace
}  // namespace thaw
