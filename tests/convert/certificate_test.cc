// specs/verify.md clause 4.
#include "verify/certificate.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "convert/support.h"
#include "quant/golden_cases.h"
#include "support/oracle.h"
#include "support/planned_model.h"
#include "verify/round_once.h"
#include "verify/verify.h"

namespace thaw {
namespace {

using testing::TemporaryDirectory;

VerifyReport must_verify(const std::string& model, const std::string& out) {
  VerifyOptions options;
  options.out = out;
  options.conversion = test::options_for(model, {});
  test::Silent observer;
  StopFlag stop;
  Result<VerifyReport> report = verify(options, observer, stop, real_file_system());
  REQUIRE_MESSAGE(report.ok(), (report.ok() ? "" : report.error().text()));
  return std::move(report).value();
}

TEST_CASE("golden linears: every code is recovered, or its value has several") {
  for (const test::GoldenCase& golden : test::golden_cases()) {
    for (const Dtype dtype : {Dtype::f16, Dtype::bf16, Dtype::f32}) {
      CAPTURE(golden.name);
      CAPTURE(std::string(dtype_name(dtype)));
      const TemporaryDirectory directory;
      std::filesystem::create_directories(directory / "model");
      const std::string config =
          golden.side_file ? "{}"
                           : "{\"" + golden.config_key + "\": " + golden.quantization_config + "}";
      directory.write("model/config.json", config);
      if (golden.side_file) {
        directory.write("model/quant_config.json", golden.quantization_config);
      }
      std::filesystem::create_symlink(golden.file, directory / "model/model.safetensors");
      ConvertOptions options = test::options_for(directory / "model", directory / "out");
      options.dtype = dtype;
      test::must_convert(options);
      const VerifyReport report = must_verify(directory / "model", directory / "out");
      CHECK(finding_lines(report).empty());
      REQUIRE(report.certificate.has_value());
      const Certificate& certificate = *report.certificate;
      CHECK(certificate.holds());
      CHECK(certificate.recovered + certificate.ambiguous ==
            golden.in_features * golden.out_features);
      // Nothing is lost where nothing overflows, and a code has no more bits than the type.
      const bool hostile = golden.name.find("overflow") != std::string::npos;
      const bool narrow = golden.bits == 8 && dtype == Dtype::bf16;
      if (!hostile && !narrow) CHECK(certificate.ambiguous == 0);
      if (hostile) CHECK((certificate.ambiguous != 0) == (dtype == Dtype::f16));
    }
  }
}

TEST_CASE("a value that another code gives, or none, is wrong and has its place") {
  const TemporaryDirectory directory;
  for (const char* name : test::kFixtures) {
    CAPTURE(std::string(name));
    const std::string out = directory / name;
    test::must_convert(test::options_for(test::model_path(name), out));
    const VerifyReport clean = must_verify(test::model_path(name), out);
    const LinearCertificate& linear = clean.certificate->linears.back();
    // Its last weight is the last two bytes of the tensor.
    const auto opened = open_checkpoint(real_file_system(), out);
    REQUIRE(opened.ok());
    const Tensor* tensor = opened.value().find(linear.tensor);
    REQUIRE(tensor != nullptr);
    test::flip_bit(out + "/" + opened.value().shards()[tensor->shard].name, tensor->end - 1, 3);
    const VerifyReport report = must_verify(test::model_path(name), out);
    CHECK(report.certificate->wrong == 1);
    CHECK(report.certificate->linears.back().wrong == 1);
    CHECK(report.certificate->linears.back().row == tensor->shape[0] - 1);
    CHECK(report.certificate->linears.back().column == tensor->shape[1] - 1);
  }
}

TEST_CASE("scales that are zero, infinite, NaN or tiny leave codes undetermined, and no failure") {
  std::vector<testing::TensorSpec> tensors;
  testing::add_gemm(tensors, "model.layers.0.mlp.up_proj", 64, 64, 32, 7);
  // Row 0 of the weight, group 0: 0; row 1: inf; row 2: NaN; row 3: the smallest subnormal.
  std::string& scales = tensors.back().data;
  const std::uint16_t hostile[] = {0x0000, 0x7c00, 0x7e01, 0x0001};
  std::memcpy(scales.data(), hostile, sizeof hostile);
  const TemporaryDirectory directory;
  directory.write("model/config.json", testing::kGemmConfig);
  directory.write("model/model.safetensors", testing::safetensors(tensors));
  for (const Dtype dtype : {Dtype::f16, Dtype::bf16, Dtype::f32}) {
    CAPTURE(std::string(dtype_name(dtype)));
    ConvertOptions options =
        test::options_for(directory / "model", directory / std::string(dtype_name(dtype)));
    options.dtype = dtype;
    test::must_convert(options);
    const VerifyReport report = must_verify(options.model, options.out);
    CHECK(report.holds());
    CHECK(report.certificate->ambiguous == 3 * 32);
    CHECK(report.certificate->recovered == 64 * 64 - 3 * 32);
    // NaN where a number should be is wrong all the same.
    const auto opened = open_checkpoint(real_file_system(), options.out);
    const Tensor* tensor = opened.value().find("model.layers.0.mlp.up_proj.weight");
    const std::uint64_t row = 64 * dtype_bits(dtype) / 8;
    test::flip_bit(options.out + "/model.safetensors", tensor->begin, 0);
    test::flip_bit(options.out + "/model.safetensors", tensor->begin + 2 * row, 0);
    const VerifyReport wrong = must_verify(options.model, options.out);
    CHECK(wrong.certificate->wrong == 2);
    CHECK(wrong.certificate->ambiguous == 3 * 32 - 2);
  }
}

TEST_CASE("a small budget reads a linear in passes, with the same result") {
  std::vector<testing::TensorSpec> tensors;
  testing::add_gemm(tensors, "model.layers.0.mlp.up_proj", 8192, 4096, 128, 3);
  const TemporaryDirectory directory;
  directory.write("model/config.json", testing::kGemmConfig);
  directory.write("model/model.safetensors", testing::safetensors(tensors));
  ConvertOptions options = test::options_for(directory / "model", directory / "out");
  options.dtype = Dtype::f16;
  options.memory = 64'000'000;
  options.threads = 2;
  options.verify = true;
  const ConvertReport report = test::must_convert(options);
  CHECK(report.plan.slabbed_linears == 1);
  CHECK(report.verified.recovered == 8192u * 4096u);
}

TEST_CASE("round_once: random values against exact integer arithmetic") {
  std::mt19937_64 random(5);
  struct Row {
    Dtype dtype;
    oracle::Type type;
  };
  for (const Row& row : {Row{Dtype::f16, oracle::kFloat16}, Row{Dtype::bf16, oracle::kBfloat16},
                         Row{Dtype::f32, oracle::kFloat32}}) {
    CAPTURE(std::string(dtype_name(row.dtype)));
    for (int i = 0; i < 200'000; ++i) {
      // A product of float32 and an integer is exact in double.
      const auto bits = static_cast<std::uint32_t>(random());
      const int factor = static_cast<int>(random() % 511) - 255;
      const oracle::Number exact =
          oracle::times(factor, oracle::number_from_bits(bits, oracle::kFloat32));
      const double value = factor * float_of_bits(bits, Dtype::f32);
      const std::uint32_t want = oracle::bits_from_number(exact, row.type);
      if (round_once(value, row.dtype) != want) {
        CAPTURE(bits);
        CAPTURE(factor);
        CHECK(round_once(value, row.dtype) == want);
      }
    }
  }
}

TEST_CASE("value_bits: sums of bfloat16 that no double holds are rounded once") {
  std::mt19937_64 random(6);
  for (int i = 0; i < 200'000; ++i) {
    const auto scale = static_cast<std::uint32_t>(random() & 0xffff);
    const auto zero = static_cast<std::uint32_t>(random() & 0xffff);
    const int code = static_cast<int>(random() % 16);
    const oracle::Number exact =
        oracle::plus(oracle::times(code, oracle::number_from_bits(scale, oracle::kBfloat16)),
                     oracle::number_from_bits(zero, oracle::kBfloat16));
    const CodeStep step{.scale = float_of_bits(scale, Dtype::bf16),
                        .scaled_zero = float_of_bits(zero, Dtype::bf16),
                        .is_sum = true};
    for (const bool via : {false, true}) {
      const std::uint32_t want = oracle::rounded(exact, oracle::kBfloat16, via);
      if (value_bits(step, code, 0, {Dtype::bf16, via}) == want) continue;
      CAPTURE(scale);
      CAPTURE(zero);
      CAPTURE(code);
      CHECK(value_bits(step, code, 0, {Dtype::bf16, via}) == want);
    }
  }
}

}  // namespace
}  // namespace thaw
