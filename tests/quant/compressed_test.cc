// specs/compressed_tensors.md clauses 1 to 5 and 7: what is recognised, and what is refused.
#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "quant/linears.h"
#include "quant/model_files.h"

namespace thaw {
namespace {

using Tensors = std::vector<test::ZeroTensor>;

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

test::ZeroTensor shape_tensor(const std::vector<std::int64_t>& shape) {
  return {"m.weight_shape", "I64", {shape.size()}, bytes_of(shape)};
}

test::ZeroTensor g_idx(const std::vector<std::int32_t>& groups) {
  return {"m.weight_g_idx", "I32", {groups.size()}, bytes_of(groups)};
}

// Columns 0, 2, 4, ... in the first half of the groups, the others in the second: for two groups.
std::vector<std::int32_t> alternating(std::size_t count) {
  std::vector<std::int32_t> groups(count);
  for (std::size_t k = 0; k < count; ++k) groups[k] = static_cast<std::int32_t>(k % 2);
  return groups;
}

std::string config(const std::string& groups) {
  return R"({"quantization_config": {"quant_method": "compressed-tensors",
             "format": "pack-quantized", "config_groups": {)" +
         groups + "}}}";
}

std::string group(const std::string& weights) { return R"("g": {"weights": {)" + weights + "}}"; }

struct GoodRow {
  std::string name;
  std::string config;
  Tensors tensors;
  std::uint32_t bits;
  std::uint64_t in_features;
  std::uint64_t out_features;
  std::uint64_t group_size;
  bool indexed = false;
  std::uint64_t rows_per_slice = 0;
  std::string warning = {};
};

const std::vector<GoodRow>& good_rows() {
  static const std::vector<GoodRow> rows = {
      {"no config",
       "",
       {{"m.weight_packed", "I32", {16, 8}},
        {"m.weight_scale", "BF16", {16, 2}},
        shape_tensor({16, 64})},
       4,
       64,
       16,
       32},
      {"8 bits, no config",
       "",
       {{"m.weight_packed", "I32", {16, 16}},
        {"m.weight_scale", "F32", {16, 1}},
        shape_tensor({16, 64})},
       8,
       64,
       16,
       64},
      {"neither shape nor config",
       "",
       {{"m.weight_packed", "I32", {16, 8}}, {"m.weight_scale", "F16", {16, 2}}},
       4,
       64,
       16,
       32,
       false,
       0,
       "neither weight_shape nor a config says how wide the codes are in 1 module (m: 4 bits in "
       "groups of 32); codes of 4 bits are assumed"},
      {"8 bits by the config",
       config(group(R"("num_bits": 8, "group_size": 16)")),
       {{"m.weight_packed", "I32", {16, 8}}, {"m.weight_scale", "F16", {16, 2}}},
       8,
       32,
       16,
       16},
      {"8 bits by the rows of the zeros",
       "",
       {{"m.weight_packed", "I32", {16, 8}},
        {"m.weight_scale", "F16", {16, 2}},
        {"m.weight_zero_point", "I32", {4, 2}}},
       8,
       32,
       16,
       16},
      {"two groups, told by their scales",
       config(R"("a": {"weights": {"num_bits": 4, "group_size": 32}},
                 "b": {"weights": {"num_bits": 8, "strategy": "channel"}})"),
       {{"m.weight_packed", "I32", {16, 8}}, {"m.weight_scale", "F16", {16, 1}}},
       8,
       32,
       16,
       32},
      {"3 bits by the shape, no config",
       "",
       {{"m.weight_packed", "I32", {16, 6}},
        {"m.weight_scale", "F16", {16, 2}},
        {"m.weight_zero_point", "I32", {2, 2}},
        shape_tensor({16, 64})},
       3,
       64,
       16,
       32},
      {"2 bits by the config alone",
       config(group(R"("num_bits": 2, "group_size": 64)")),
       {{"m.weight_packed", "I32", {16, 8}}, {"m.weight_scale", "F16", {16, 2}}},
       2,
       128,
       16,
       64},
      {"6 bits, groups of 11, codes that end within a word",
       config(group(R"("num_bits": 6, "group_size": 11)")),
       {{"m.weight_packed", "I32", {7, 13}},
        {"m.weight_scale", "BF16", {7, 6}},
        shape_tensor({7, 66})},
       6,
       66,
       7,
       11},
      {"4 bits by block, the last of them smaller",
       config(group(R"("num_bits": 4, "strategy": "block", "block_structure": [8, 16])")),
       {{"m.weight_packed", "I32", {20, 5}},
        {"m.weight_scale", "BF16", {3, 3}},
        {"m.weight_zero_point", "I32", {1, 3}},
        shape_tensor({20, 40})},
       4,
       40,
       20,
       16},
      {"one group of K below the group size",
       config(group(R"("num_bits": 4, "group_size": 128)")),
       {{"m.weight_packed", "I32", {12, 13}},
        {"m.weight_scale", "F16", {12, 1}},
        shape_tensor({12, 100})},
       4,
       100,
       12,
       100},
      {"a last group that is shorter",
       config(group(R"("num_bits": 4, "group_size": 64)")),
       {{"m.weight_packed", "I32", {12, 20}},
        {"m.weight_scale", "F16", {12, 3}},
        shape_tensor({12, 160})},
       4,
       160,
       12,
       64},
      {"the config says another group",
       config(group(R"("num_bits": 4, "group_size": 128)")),
       {{"m.weight_packed", "I32", {16, 16}},
        {"m.weight_scale", "F16", {16, 4}},
        shape_tensor({16, 128})},
       4,
       128,
       16,
       32,
       false,
       0,
       "config.json: quantization_config has no group that fits the shapes of 1 module (m: 4 bits "
       "in groups of 32); the shapes are believed"},
      {"the config says another width",
       config(group(R"("num_bits": 8, "group_size": 32)")),
       {{"m.weight_packed", "I32", {16, 8}},
        {"m.weight_scale", "F16", {16, 2}},
        shape_tensor({16, 64})},
       4,
       64,
       16,
       32,
       false,
       0,
       "no group that fits the shapes of 1 module (m: 4 bits"},
      {"one scale a row, one dimension",
       "",
       {{"m.weight_packed", "I32", {8, 1}}, {"m.weight_scale", "F16", {8}}, shape_tensor({8, 8})},
       4,
       8,
       8,
       8},
      {"one scale, bytes for zeros",
       config(group(R"("symmetric": false, "strategy": "tensor")")),
       {{"m.weight_packed", "I32", {8, 1}},
        {"m.weight_scale", "F16", {1}},
        {"m.weight_zero_point", "I8", {1}},
        shape_tensor({8, 8})},
       4,
       8,
       8,
       8},
      {"zeros as bytes",
       config(group(R"("num_bits": 4, "group_size": 32, "symmetric": false)")),
       {{"m.weight_packed", "I32", {12, 8}},
        {"m.weight_scale", "F16", {12, 2}},
        {"m.weight_zero_point", "I8", {12, 2}},
        shape_tensor({12, 64})},
       4,
       64,
       12,
       32},
      {"rows that are no multiple of 8",
       "",
       {{"m.weight_packed", "I32", {12, 8}},
        {"m.weight_scale", "F16", {12, 2}},
        {"m.weight_zero_point", "I32", {2, 2}},
        shape_tensor({12, 64})},
       4,
       64,
       12,
       32},
      {"weight_shape of another integer type",
       "",
       {{"m.weight_packed", "I32", {12, 8}},
        {"m.weight_scale", "F16", {12, 2}},
        {"m.weight_shape", "I32", {2}, bytes_of<std::int32_t>({12, 60})}},
       4,
       60,
       12,
       30},
      {"experts",
       "",
       {{"m.weight_packed", "I32", {3, 20, 8}},
        {"m.weight_scale", "BF16", {3, 20, 2}},
        {"m.weight_zero_point", "I32", {3, 3, 2}},
        {"m.bias", "BF16", {3, 20}},
        shape_tensor({3, 20, 64})},
       4,
       64,
       60,
       32,
       false,
       20},
      {"columns that name their groups",
       "",
       {{"m.weight_packed", "I32", {16, 8}},
        {"m.weight_scale", "F16", {16, 2}},
        shape_tensor({16, 64}),
        g_idx(alternating(64))},
       4,
       64,
       16,
       32,
       true},
      {"groups in order need no index",
       "",
       {{"m.weight_packed", "I32", {8, 1}},
        {"m.weight_scale", "F16", {8, 2}},
        shape_tensor({8, 8}),
        g_idx({0, 0, 0, 0, 1, 1, 1, 1})},
       4,
       8,
       8,
       4},
      {"an index that was never filled",
       "",
       {{"m.weight_packed", "I32", {8, 1}},
        {"m.weight_scale", "F16", {8, 2}},
        shape_tensor({8, 8}),
        g_idx({9, 0, 0, 0, 0, 0, 0, -1})},
       4,
       8,
       8,
       4},
      {"quantized activations",
       "",
       {{"m.weight_packed", "I32", {16, 8}},
        {"m.weight_scale", "BF16", {16, 2}},
        {"m.input_scale", "BF16", {1}},
        {"m.input_zero_point", "I8", {1}},
        shape_tensor({16, 64})},
       4,
       64,
       16,
       32,
       false,
       0,
       "the scales of quantized activations are left out in 1 module (m: 4 bits"},
  };
  return rows;
}

TEST_CASE("compressed-tensors: modules of every kind: recognised, all tensors consumed") {
  for (const GoodRow& row : good_rows()) {
    CAPTURE(row.name);
    const test::ModelDirectory directory;
    directory.write_model(row.config, row.tensors);
    const Checkpoint checkpoint = directory.open();
    Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
    REQUIRE_MESSAGE(result.ok(), result.error().text());
    REQUIRE(result.value().linears.size() == 1);
    const QuantizedLinear& linear = result.value().linears[0];
    CHECK(linear.layout->name == "ct_pack");
    CHECK(linear.bits == row.bits);
    CHECK(linear.in_features == row.in_features);
    CHECK(linear.out_features == row.out_features);
    CHECK(linear.group_size == row.group_size);
    CHECK(linear.rows_per_slice == row.rows_per_slice);
    CHECK((linear[Role::group_index].tensor != nullptr) == row.indexed);
    for (std::size_t i = 0; i < row.tensors.size(); ++i) {
      const bool bias = checkpoint.tensors()[i].name == "m.bias";
      CHECK(result.value().consumed[i] == (bias ? 0 : 1));
    }
    std::vector<std::string> warnings = result.value().warnings;
    warnings.insert(warnings.end(), result.value().notes.begin(), result.value().notes.end());
    REQUIRE(warnings.size() == (row.warning.empty() ? 0 : 1));
    if (warnings.empty()) continue;
    CHECK_MESSAGE(warnings[0].find(row.warning) != std::string::npos, warnings[0]);
  }
}

struct BadRow {
  std::string name;
  std::string config;
  Tensors tensors;
  std::vector<std::string> expected;  // all of them in the message
};

const std::vector<BadRow>& bad_rows() {
  static const std::string asymmetric = config(group(R"("num_bits": 4, "symmetric": false)"));
  static const test::ZeroTensor packed = {"m.weight_packed", "I32", {16, 8}};
  static const test::ZeroTensor scale = {"m.weight_scale", "F16", {16, 2}};
  static const std::vector<BadRow> rows = {
      {"no scale",
       "",
       {packed},
       {"m: compressed-tensors: no weight_scale (weight_packed I32 [16, 8])"}},
      {"one dimension", "", {{"m.weight_packed", "I32", {16}}, scale}, {"must have 2 dimensions"}},
      {"four dimensions",
       "",
       {{"m.weight_packed", "I32", {2, 2, 4, 8}}, scale},
       {"must have 2 dimensions, or 3"}},
      {"no elements",
       "",
       {{"m.weight_packed", "I32", {0, 4611686018427387904}}, scale},
       {"without elements", "weight_packed I32 [0, 4611686018427387904]"}},
      {"a weight beside it",
       "",
       {packed, scale, {"m.weight", "F16", {16, 64}}},
       {"a weight beside the weight_packed", "weight F16 [16, 64]"}},
      {"a qweight beside it",
       "",
       {packed, scale, {"m.qweight", "I32", {64, 2}}},
       {"a qweight beside the weight_packed"}},
      {"scales of another module",
       "",
       {packed, {"m.weight_scale", "F16", {15, 2}}},
       {"weight_scale: got F16 [15, 2], expected F16, BF16 or F32 [16]"}},
      {"scales of integers",
       "",
       {packed, {"m.weight_scale", "I32", {16, 2}}},
       {"weight_scale: got I32 [16, 2]"}},
      {"scales of float8",
       "",
       {packed, {"m.weight_scale", "F8_E4M3", {16, 2}}},
       {"weight_scale: got F8_E4M3 [16, 2]"}},
      {"scales of experts",
       "",
       {packed, {"m.weight_scale", "F16", {1, 16, 2}}},
       {"weight_scale: got F16 [1, 16, 2]"}},
      {"scales along the columns",
       "",
       {packed, {"m.weight_scale", "F16", {64}}},
       {"weight_scale: got F16 [64]"}},
      {"groups that do not divide",
       "",
       {packed, {"m.weight_scale", "F16", {16, 3}}, shape_tensor({16, 64})},
       {"weight_scale: got 3 groups, expected a divisor of the 64 input features"}},
      {"more groups than columns",
       "",
       {packed, {"m.weight_scale", "F16", {16, 128}}, shape_tensor({16, 64})},
       {"weight_scale: got 128 groups"}},
      {"zeros too short",
       "",
       {packed, scale, {"m.weight_zero_point", "I32", {1, 2}}},
       {"weight_zero_point: got I32 [1, 2], expected I32 [2, 2] or I8 [16, 2]",
        "weight_scale F16 [16, 2]"}},
      {"zeros of other groups",
       "",
       {packed, scale, {"m.weight_zero_point", "I8", {16, 1}}},
       {"weight_zero_point: got I8 [16, 1]"}},
      {"zeros of floats",
       "",
       {packed, scale, {"m.weight_zero_point", "F16", {16, 2}}},
       {"weight_zero_point: got F16 [16, 2]"}},
      {"zeros that were dropped",
       asymmetric,
       {packed, scale},
       {"no weight_zero_point, although the config says that it is not symmetric"}},
      {"weight_shape of floats",
       "",
       {packed, scale, {"m.weight_shape", "F32", {2}}},
       {"weight_shape holds other values than 2 integers"}},
      {"weight_shape of experts",
       "",
       {packed, scale, shape_tensor({1, 16, 64})},
       {"weight_shape: got I64 [3], expected 2 integers"}},
      {"weight_shape negative",
       "",
       {packed, scale, shape_tensor({16, -64})},
       {"weight_shape holds other values"}},
      {"weight_shape of other rows",
       "",
       {packed, scale, shape_tensor({15, 64})},
       {"weight_shape says [15, 64], which is not the shape of weight_packed"}},
      {"weight_shape of zeros",
       "",
       {packed, scale, shape_tensor({16, 0})},
       {"weight_shape says [16, 0]"}},
      {"9 bits",
       "",
       {{"m.weight_packed", "I32", {16, 18}}, scale, shape_tensor({16, 64})},
       {"64 input features, which in 18 words are codes of no width from 1 to 8 bits"}},
      {"7 bits in the words of old releases, as long as 8 bits today",
       config(group(R"("num_bits": 7, "group_size": 32)")),
       {{"m.weight_packed", "I32", {16, 16}}, scale, shape_tensor({16, 64})},
       {"its codes of 7 bits are packed by words, 4 in each"}},
      {"3 bits in the words of old releases",
       config(group(R"("num_bits": 3, "group_size": 32)")),
       {{"m.weight_packed", "I32", {16, 7}}, scale, shape_tensor({16, 64})},
       {"its codes of 3 bits are packed by words, 10 in each"}},
      {"3 bits, packed zeros of another width",
       config(group(R"("num_bits": 3, "group_size": 32)")),
       {{"m.weight_packed", "I32", {16, 6}},
        scale,
        shape_tensor({16, 64}),
        {"m.weight_zero_point", "I32", {3, 2}}},
       {"weight_zero_point: got I32 [3, 2], expected I32 [2, 2] or I8 [16, 2]"}},
      {"scales by block that the config does not say",
       config(group(R"("num_bits": 4, "group_size": 32)")),
       {packed, {"m.weight_scale", "F16", {2, 2}}, shape_tensor({16, 64})},
       {"weight_scale: got F16 [2, 2], expected F16, BF16 or F32 [16] with groups, or [1], or the "
        "blocks that the config says"}},
      {"blocks of other columns",
       config(group(R"("num_bits": 4, "strategy": "block", "block_structure": [8, 16])")),
       {packed, {"m.weight_scale", "F16", {2, 3}}, shape_tensor({16, 64})},
       {"weight_scale: got 3 groups"}},
      {"weight_shape huge",
       "",
       {packed, scale, shape_tensor({16, 9223372036854775807})},
       {"weight_shape is too large"}},
      {"4 bits or 8",
       config(R"("a": {"weights": {"num_bits": 4}}, "b": {"weights": {"num_bits": 8}})"),
       {packed, scale},
       {"neither its shapes nor the config tell how many bits its codes have"}},
      {"bias of another length",
       "",
       {packed, scale, {"m.bias", "F16", {15}}},
       {"bias: got F16 [15], expected the shape [16]"}},
      {"index too short",
       "",
       {packed, scale, g_idx({0, 1})},
       {"weight_g_idx: got I32 [2], expected I32 [64]"}},
      {"index of another type",
       "",
       {packed, scale, {"m.weight_g_idx", "I64", {64}}},
       {"weight_g_idx: got I64 [64], expected I32 [64]"}},
      {"index of uneven groups",
       "",
       {{"m.weight_packed", "I32", {8, 1}},
        {"m.weight_scale", "F16", {8, 2}},
        shape_tensor({8, 8}),
        g_idx({0, 1, 0, 1, 0, 1, 0, 0})},
       {"weight_g_idx: got groups of different sizes, expected 4 columns in each"}},
      {"index out of range",
       "",
       {{"m.weight_packed", "I32", {8, 1}},
        {"m.weight_scale", "F16", {8, 2}},
        shape_tensor({8, 8}),
        g_idx({0, 1, 0, 1, 0, 1, 0, 2})},
       {"weight_g_idx: got group 2, expected 0 to 1"}},
      {"index below zero",
       "",
       {{"m.weight_packed", "I32", {8, 1}},
        {"m.weight_scale", "F16", {8, 2}},
        shape_tensor({8, 8}),
        g_idx({0, 1, 0, 1, 0, 1, 0, -2147483647})},
       {"weight_g_idx: got group -2147483647"}},
  };
  return rows;
}

TEST_CASE("compressed-tensors: shapes and values that lie: refused with all shapes") {
  for (const BadRow& row : bad_rows()) {
    CAPTURE(row.name);
    const test::ModelDirectory directory;
    directory.write_model(row.config, row.tensors);
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

TEST_CASE("compressed-tensors beside AWQ: each module is what its tensors are") {
  const test::ModelDirectory directory;
  directory.write_model(config(group(R"("num_bits": 4, "group_size": 32)")),
                        {{"a.qweight", "I32", {64, 2}},
                         {"a.scales", "F16", {2, 16}},
                         {"m.weight_packed", "I32", {16, 8}},
                         {"m.weight_scale", "F16", {16, 2}}});
  const Checkpoint checkpoint = directory.open();
  const Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
  REQUIRE_MESSAGE(result.ok(), result.error().text());
  REQUIRE(result.value().linears.size() == 2);
  CHECK(result.value().linears[0].layout->name == "awq_gemm");
  CHECK(title_of(result.value().linears[1]) == "compressed-tensors 4-bit");
  REQUIRE(result.value().warnings.size() == 1);
  CHECK(result.value().warnings[0].find("version pack-quantized, but 1 module") !=
        std::string::npos);
}

}  // namespace
}  // namespace thaw
