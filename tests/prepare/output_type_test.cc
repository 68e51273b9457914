// specs/numbers.md: which type the output has.
#include "prepare/output_type.h"

#include <doctest/doctest.h>

#include <string>

#include "support/planned_model.h"

namespace thaw {
namespace {

using testing::PlannedModel;

std::string config_with(const std::string& members) {
  return "{" + members + R"("quantization_config": {"quant_method": "awq", "bits": 4}})";
}

std::vector<testing::TensorSpec> one_linear() {
  std::vector<testing::TensorSpec> tensors;
  testing::add_gemm(tensors, "m", 64, 64, 32, 1);
  return tensors;
}

TEST_CASE("auto takes the config's type, at the top or in text_config, else the scales'") {
  struct Row {
    const char* members;
    Dtype want;
    const char* reason;
  };
  const Row rows[] = {
      {R"("dtype": "bfloat16", "torch_dtype": "float16", )", Dtype::bf16, "dtype in config.json"},
      {R"("torch_dtype": "float16", )", Dtype::f16, "torch_dtype in config.json"},
      {R"("torch_dtype": "torch.float32", )", Dtype::f32, "torch_dtype in config.json"},
      {R"("text_config": {"dtype": "bfloat16"}, )", Dtype::bf16, "text_config.dtype"},
      {R"("torch_dtype": null, "text_config": {"torch_dtype": "bfloat16"}, )", Dtype::bf16,
       "text_config.torch_dtype"},
      {"", Dtype::f16, "the scales' type"}};
  for (const Row& row : rows) {
    CAPTURE(std::string(row.members));
    const PlannedModel model(one_linear(), {}, config_with(row.members));
    const auto type = choose_output_type({}, *model.checkpoint, model.linears);
    REQUIRE(type.ok());
    CHECK(type.value().dtype == row.want);
    CHECK(type.value().reason.find(row.reason) == 0);
  }
}

TEST_CASE("a type that thaw does not write asks for --dtype, which always wins") {
  for (const char* members :
       {R"("torch_dtype": "float64", )", R"("torch_dtype": "auto", )", R"("dtype": 16, )"}) {
    CAPTURE(std::string(members));
    const PlannedModel model(one_linear(), {}, config_with(members));
    const auto refused = choose_output_type({}, *model.checkpoint, model.linears);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::usage);
    CHECK(refused.error().hint.find("--dtype") != std::string::npos);
    ConvertOptions options;
    options.dtype = Dtype::f32;
    CHECK(choose_output_type(options, *model.checkpoint, model.linears).value().dtype ==
          Dtype::f32);
  }
}

TEST_CASE("mixed scale types without a type in the config are refused") {
  std::vector<testing::TensorSpec> tensors = one_linear();
  testing::add_gemm(tensors, "n", 64, 64, 32, 2);
  tensors.back().dtype = Dtype::bf16;
  const PlannedModel model(tensors, {}, config_with(""));
  const auto refused = choose_output_type({}, *model.checkpoint, model.linears);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::usage);
  CHECK(refused.error().text().find("got BF16 here and F16 elsewhere") != std::string::npos);
}

TEST_CASE("rounding via float16 is for bfloat16 only") {
  const PlannedModel model(one_linear());
  ConvertOptions options;
  options.rounding = Rounding::via_float16;
  CHECK(choose_output_type(options, *model.checkpoint, model.linears).error().code ==
        ErrorCode::usage);
  options.dtype = Dtype::bf16;
  CHECK(choose_output_type(options, *model.checkpoint, model.linears).ok());
}

}  // namespace
}  // namespace thaw
