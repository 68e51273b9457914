// specs/gptq.md clauses 2.5 to 2.8: other widths, planes, and words of 8 and 16 bits.
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

std::string gptq(const std::string& bits, const std::string& more = "") {
  return R"({"model_type": "llama", "quantization_config": {"quant_method": "gptq", "bits": )" +
         bits + R"(, "group_size": 32)" + (more.empty() ? "" : ", " + more) + "}}";
}

// 64 inputs, 32 outputs, two groups.
std::vector<TensorSpec> module_of(std::uint64_t bits, const std::string& zeros = "",
                                  const std::string& name = "m") {
  const TensorSpec qzeros = {name + ".qzeros", Dtype::i32, {2, bits}};
  std::vector<TensorSpec> made = {{name + ".qweight", Dtype::i32, {2 * bits, 32}},
                                  {name + ".scales", Dtype::f16, {2, 32}},
                                  qzeros};
  if (!zeros.empty()) made.back() = {name + ".qzeros", Dtype::i32, {2, bits}, zeros};
  return made;
}

std::vector<TensorSpec> without_zeros(std::vector<TensorSpec> tensors) {
  tensors.pop_back();
  return tensors;
}

struct Row {
  std::string name;
  std::string config;
  std::vector<TensorSpec> tensors;
  std::string layout = "gptq_bits";
  std::uint32_t bits = 3;
  std::uint32_t word_bytes = 4;
  bool planes = false;
};

TEST_CASE("GPTQ of other widths: shapes, config and format decide") {
  const std::vector<Row> rows = {
      {"3 bits", gptq("3"), module_of(3)},
      {"3 bits, symmetric, without zeros", gptq("3", R"("sym": true)"),
       without_zeros(module_of(3))},
      {"2 bits, the config silent", "", module_of(2), "gptq_bits", 2},
      {"planes", gptq("3", R"("format": "gptq_p")"), module_of(3), "gptq_bits", 3, 4, true},
      {"planes of 7 bits", gptq("7", R"("format": "gptq_p")"), module_of(7), "gptq_bits", 7, 4,
       true},
      {"no planes of 2 bits", gptq("2", R"("format": "gptq_p")"), module_of(2), "gptq_bits", 2},
      {"no planes of 4 bits", gptq("4", R"("format": "gptq_p")"), module_of(4), "gptq", 4},
      {"the config says 3, the shapes 4", gptq("3"), module_of(4), "gptq", 4},
      {"words of 16 bits",
       gptq("4"),
       {{"m.qweight", Dtype::i16, {16, 32}},
        {"m.scales", Dtype::bf16, {2, 32}},
        {"m.qzeros", Dtype::i16, {2, 8}}},
       "gptq_bits",
       4,
       2},
      {"words of 8 bits",
       gptq("8"),
       {{"m.qweight", Dtype::i8, {64, 32}},
        {"m.scales", Dtype::f32, {2, 32}},
        {"m.qzeros", Dtype::i8, {2, 32}}},
       "gptq_bits",
       8,
       1},
      {"an embedding", gptq("3"), module_of(3, "", "model.embed_tokens"), "gptq_bits_rows"},
      {"auto-round",
       R"({"quantization_config": {"quant_method": "auto-round", "bits": 6, "group_size": 32,
           "packing_format": "auto_round:auto_gptq"}})",
       module_of(6), "gptq_bits", 6},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const test::ModelDirectory directory;
    if (!row.config.empty()) directory.write("config.json", row.config);
    directory.write("model.safetensors", testing::safetensors(row.tensors));
    const Checkpoint checkpoint = directory.open();
    const Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
    REQUIRE_MESSAGE(result.ok(), result.error().text());
    REQUIRE(result.value().linears.size() == 1);
    const QuantizedLinear& linear = result.value().linears[0];
    CHECK(linear.layout->name == row.layout);
    CHECK(linear.bits == row.bits);
    CHECK(linear.word_bytes == row.word_bytes);
    CHECK(linear.planes == row.planes);
    CHECK(linear.in_features * linear.out_features == 64 * 32);
    CHECK(linear.group_size == 32);
    for (const std::uint8_t consumed : result.value().consumed) CHECK(consumed == 1);
    CHECK(linear[Role::codes].lines * linear[Role::codes].pitch ==
          linear[Role::codes].tensor->size());
  }
}

struct ZeroRow {
  std::string name;
  std::uint64_t bits;
  std::string more;
  unsigned char byte;  // that all bytes of qzeros are
  bool stored;         // whether they count
  std::uint32_t addend;
  std::string warning = "";
};

TEST_CASE("GPTQ of other widths: zero points") {
  const std::vector<ZeroRow> rows = {
      {"v1 of 2 bits", 2, R"("sym": false)", 0x55, true, 0x55555555},
      {"v1 of 2 bits, the highest field", 2, R"("sym": false)", 0xff, true, 0x55555555,
       "GPTQ v1 zero points of 3"},
      {"v1 of 2 bits, all half", 2, "", 0xaa, false, 0},
      {"v1 of 3 bits", 3, R"("sym": false)", 0, true, 1},
      {"v1 of 3 bits, the highest field", 3, R"("sym": false)", 0xff, true, 1,
       "GPTQ v1 zero points of 7"},
      {"v2 of 3 bits", 3, R"("format": "gptq_v2")", 0xff, true, 0},
      {"planes are as they are", 3, R"("format": "gptq_p")", 0xff, true, 0},
      {"symmetric", 5, R"("sym": true)", 0x12, false, 0},
  };
  for (const ZeroRow& row : rows) {
    CAPTURE(row.name);
    const test::ModelDirectory directory;
    directory.write("config.json", gptq(std::to_string(row.bits), row.more));
    directory.write("model.safetensors",
                    testing::safetensors(module_of(
                        row.bits, std::string(8 * row.bits, static_cast<char>(row.byte)))));
    const Checkpoint checkpoint = directory.open();
    const Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
    REQUIRE_MESSAGE(result.ok(), result.error().text());
    const QuantizedLinear& linear = result.value().linears.at(0);
    CHECK(linear.operands.has(Role::zeros) == row.stored);
    CHECK(linear.zero_addend == row.addend);
    REQUIRE(result.value().warnings.size() == (row.warning.empty() ? 0 : 1));
    if (row.warning.empty()) continue;
    CHECK(result.value().warnings[0].find(row.warning) != std::string::npos);
  }
}

struct BadRow {
  std::string name;
  std::string config;
  std::vector<TensorSpec> tensors;
  std::string expected;
};

TEST_CASE("GPTQ of other widths: what does not fit is refused with all shapes") {
  const auto with = [](std::vector<TensorSpec> tensors, std::size_t index, TensorSpec other) {
    tensors[index] = std::move(other);
    return tensors;
  };
  const std::vector<BadRow> rows = {
      {"shapes of 3 bits, the config says 5", gptq("5"), module_of(3),
       "no width of 2 to 8 bits by the shapes of qweight and qzeros (the config says 5)"},
      {"zeros of another width", gptq("3"), with(module_of(3), 2, {"m.qzeros", Dtype::i32, {2, 2}}),
       "no width of 2 to 8 bits"},
      {"too few groups of zeros", gptq("3"),
       with(module_of(3), 2, {"m.qzeros", Dtype::i32, {1, 3}}),
       "qzeros: got I32 [1, 3], expected I32 [2, 3]"},
      {"zeros of other words", gptq("3", R"("sym": true)"),
       with(module_of(3), 2, {"m.qzeros", Dtype::i16, {2, 3}}),
       "qzeros: got I16 [2, 3], expected I32 [2, 3]"},
      {"scales too narrow", gptq("3"), with(module_of(3), 1, {"m.scales", Dtype::f16, {2, 31}}),
       "known layout"},
      {"scales of bytes", gptq("3"), with(module_of(3), 1, {"m.scales", Dtype::u8, {2, 32}}),
       "scales: got U8 [2, 32], expected F16 or BF16 or F32 [2, 32]"},
      {"no zeros, and not symmetric", gptq("3"), without_zeros(module_of(3)),
       "no qzeros, and the config does not say that it is sym"},
      {"rows that end within a code",
       gptq("3", R"("sym": true)"),
       {{"m.qweight", Dtype::i32, {5, 32}}, {"m.scales", Dtype::f16, {2, 32}}},
       "whose words end within a code of 3 bits"},
      {"planes that are not whole",
       gptq("3", R"("format": "gptq_p")"),
       {{"m.qweight", Dtype::i32, {6, 48}},
        {"m.scales", Dtype::f16, {2, 48}},
        {"m.qzeros", Dtype::i32, {2, 5}}},
       "output features: got 48, expected a multiple of 32"},
      {"planes in words of 16 bits",
       gptq("3", R"("format": "gptq_p")"),
       {{"m.qweight", Dtype::i16, {12, 32}},
        {"m.scales", Dtype::f16, {2, 32}},
        {"m.qzeros", Dtype::i16, {2, 6}}},
       "planes (gptq_p) in words of 16 bits are not supported"},
      {"words of 64 bits",
       gptq("4"),
       {{"m.qweight", Dtype::i64, {4, 32}},
        {"m.scales", Dtype::f16, {2, 32}},
        {"m.qzeros", Dtype::i64, {2, 2}}},
       "GPTQ in words of 64 bits is not supported"},
  };
  for (const BadRow& row : rows) {
    CAPTURE(row.name);
    const test::ModelDirectory directory;
    directory.write("config.json", row.config);
    directory.write("model.safetensors", testing::safetensors(row.tensors));
    const Checkpoint checkpoint = directory.open();
    const Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
    REQUIRE(!result.ok());
    CHECK_MESSAGE(result.error().text().find(row.expected) != std::string::npos,
                  result.error().text());
  }
}

}  // namespace
}  // namespace thaw
