// specs/verify.md clauses 1 to 5.
#include "verify/verify.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "convert/support.h"
#include "support/faulty_file_system.h"
#include "support/safetensors_file.h"

namespace thaw {
namespace {

using test::flip_bit;
using test::kFixtures;
using test::model_path;
using test::must_convert;
using test::options_for;
using testing::content_of;
using testing::TemporaryDirectory;

VerifyOptions against(const std::string& model, const std::string& out) {
  VerifyOptions options;
  options.out = out;
  options.conversion = options_for(model, {});
  return options;
}

VerifyReport must_verify(const VerifyOptions& options) {
  test::Silent observer;
  StopFlag stop;
  Result<VerifyReport> report = verify(options, observer, stop, real_file_system());
  REQUIRE_MESSAGE(report.ok(), (report.ok() ? "" : report.error().text()));
  return std::move(report).value();
}

TEST_CASE("every fixture verifies after its conversion, all codes recovered") {
  for (const char* name : kFixtures) {
    CAPTURE(std::string(name));
    const TemporaryDirectory directory;
    must_convert(options_for(model_path(name), directory / "out"));
    const VerifyReport report = must_verify(against(model_path(name), directory / "out"));
    CHECK(report.holds());
    CHECK(finding_lines(report).empty());
    REQUIRE(report.certificate.has_value());
    CHECK(report.certificate->wrong == 0);
    CHECK(report.certificate->ambiguous == 0);
    CHECK(report.certificate->recovered > 0);
    CHECK(report.tensors.size() > report.certificate->linears.size());
  }
}

TEST_CASE("one flipped bit anywhere is found and named") {
  const TemporaryDirectory directory;
  const std::string out = directory / "out";
  const std::string model = model_path("qwen2-awq-gemm");
  must_convert(options_for(model, out));
  const VerifyReport clean = must_verify(against(model, out));
  std::uint64_t header = 0;
  const std::string shard = content_of(out + "/model.safetensors");
  std::memcpy(&header, shard.data(), sizeof header);
  // In every tensor: the first byte and the last.
  std::uint64_t begin = 8 + header;
  for (const VerifiedTensor& tensor : clean.tensors) {
    CAPTURE(tensor.name);
    for (const std::uint64_t at : {std::uint64_t{0}, tensor.bytes - 1}) {
      flip_bit(out + "/model.safetensors", begin + at, 1);
      const VerifyReport report = must_verify(against(model, out));
      flip_bit(out + "/model.safetensors", begin + at, 1);
      REQUIRE(report.findings.size() == 1);
      CHECK(report.findings[0].file == "model.safetensors");
      CHECK(report.findings[0].part == tensor.name);
      CHECK(report.findings[0].bytes == 1);
      CHECK(report.findings[0].first == begin + at);
      // What is no packed weight has no codes.
      const bool packed = tensor.name.find("_proj.weight") != std::string::npos;
      CHECK(report.certificate->wrong == (packed ? 1 : 0));
      CHECK(verdict(report).error().code == ErrorCode::differs);
    }
    begin += tensor.bytes;
  }
  CHECK(begin == shard.size());
  // In the length, at the beginning, the middle and the padding of the header, and in other files.
  struct Row {
    const char* file;
    std::uint64_t offset;
    const char* part;
  };
  for (const Row& row :
       {Row{"model.safetensors", 0, "header"}, Row{"model.safetensors", 9, "header"},
        Row{"model.safetensors", 500, "header"}, Row{"model.safetensors", 7 + header, "header"},
        Row{"config.json", 0, ""}, Row{"config.json", 100, ""}, Row{"tokenizer.json", 77, ""},
        Row{"generation_config.json", 5, ""}}) {
    CAPTURE(std::string(row.file));
    CAPTURE(row.offset);
    flip_bit(out + "/" + row.file, row.offset);
    const VerifyReport report = must_verify(against(model, out));
    flip_bit(out + "/" + row.file, row.offset);
    CHECK_FALSE(report.holds());
    REQUIRE_FALSE(report.findings.empty());
    CHECK(report.findings[0].file == row.file);
    CHECK(report.findings[0].part == row.part);
    CHECK(report.findings[0].first == row.offset);
  }
  CHECK(must_verify(against(model, out)).holds());
}

TEST_CASE("missing, cut, longer and extra files are named") {
  const TemporaryDirectory directory;
  const std::string out = directory / "out";
  const std::string model = model_path("qwen2-awq-gemm");
  must_convert(options_for(model, out));
  const std::string shard = content_of(out + "/model.safetensors");
  const std::string tokenizer = content_of(out + "/tokenizer.json");
  using Kind = VerifyFinding::Kind;
  const auto only_finding = [&] {
    const VerifyReport report = must_verify(against(model, out));
    REQUIRE(report.findings.size() == 1);
    return report.findings[0];
  };
  std::filesystem::remove(out + "/tokenizer.json");
  CHECK(only_finding().kind == Kind::missing);
  CHECK(only_finding().file == "tokenizer.json");
  directory.write("out/tokenizer.json", tokenizer + " ");
  CHECK(only_finding().kind == Kind::size);
  CHECK(only_finding().bytes == tokenizer.size() + 1);
  directory.write("out/tokenizer.json", tokenizer);
  directory.write("out/model-00001-of-00002.safetensors", shard);
  CHECK(only_finding().kind == Kind::extra);
  std::filesystem::remove(out + "/model-00001-of-00002.safetensors");
  directory.write("out/README.md", "not a weight");
  CHECK(must_verify(against(model, out)).holds());
  directory.write("out/model.safetensors", shard.substr(0, shard.size() - 100));
  const VerifyReport cut = must_verify(against(model, out));
  CHECK_FALSE(cut.holds());
  CHECK(cut.findings[0].kind == Kind::size);
  CHECK_FALSE(cut.no_certificate.empty());
}

TEST_CASE("what the options do not say is inferred from the output") {
  struct Row {
    const char* name;
    void (*set)(ConvertOptions&);
    const char* note;
  };
  for (const Row& row :
       {Row{"float32", [](ConvertOptions& o) { o.dtype = Dtype::f32; }, "dtype float32, as the"},
        Row{"bfloat16", [](ConvertOptions& o) { o.dtype = Dtype::bf16; }, "rounding exact, by a"},
        Row{"via float16",
            [](ConvertOptions& o) {
              o.dtype = Dtype::bf16;
              o.rounding = Rounding::via_float16;
            },
            "rounding via-float16, by a sample"},
        Row{"small shards", [](ConvertOptions& o) { o.max_shard_size = 200'000; },
            "max-shard-size"},
        Row{"a shard for each tensor", [](ConvertOptions& o) { o.max_shard_size = 1; },
            "max-shard-size 1, as the"}}) {
    for (const char* model : {"qwen2-awq-gemm", "starcoder2-awq-act_scales"}) {
      CAPTURE(std::string(row.name));
      CAPTURE(std::string(model));
      const TemporaryDirectory directory;
      ConvertOptions options = options_for(model_path(model), directory / "out");
      row.set(options);
      must_convert(options);
      const VerifyReport report = must_verify(against(model_path(model), directory / "out"));
      CHECK(finding_lines(report).empty());
      CHECK(report.holds());
      bool noted = false;
      for (const std::string& note : report.inferred) {
        noted = noted || note.find(row.note) != std::string::npos;
      }
      CHECK(noted);
      CHECK(report.certificate->wrong == 0);
    }
  }
}

TEST_CASE("what the options do say is not inferred") {
  const TemporaryDirectory directory;
  const std::string model = model_path("qwen2-awq-gemm");
  must_convert(options_for(model, directory / "out"));
  VerifyOptions options = against(model, directory / "out");
  options.conversion.dtype = Dtype::bf16;
  CHECK_FALSE(must_verify(options).holds());
  options = against(model, directory / "out");
  options.conversion.max_shard_size = 200'000;
  options.infer_shard_size = false;
  CHECK_FALSE(must_verify(options).holds());
}

TEST_CASE("every thread count, budget and instruction set finds the same") {
  const TemporaryDirectory directory;
  const std::string out = directory / "out";
  const std::string model = model_path("qwen2-awq-marlin");
  must_convert(options_for(model, out));
  flip_bit(out + "/model.safetensors", 300'000, 3);
  flip_bit(out + "/model.safetensors", 700'001, 3);
  const std::vector<std::string> first = finding_lines(must_verify(against(model, out)));
  REQUIRE(first.size() == 4);
  for (const char* isa : {"", "scalar"}) {
    for (const unsigned threads : {1u, 5u}) {
      for (const std::uint64_t memory : {64'000'000u, 512'000'000u}) {
        VerifyOptions options = against(model, out);
        options.conversion.isa = isa;
        options.conversion.threads = threads;
        options.conversion.memory = memory;
        CHECK(finding_lines(must_verify(options)) == first);
      }
    }
  }
}

TEST_CASE("convert --verify reports what it found, and lets nothing wrong appear") {
  const TemporaryDirectory directory;
  ConvertOptions options = options_for(model_path("qwen2-awq-gemm"), directory / "out");
  options.verify = true;
  const ConvertReport report = must_convert(options);
  CHECK(report.verified.done);
  CHECK(report.verified.bytes == report.bytes_written);
  CHECK(report.verified.recovered == 393'216);

  // A disk that loses a bit: the byte goes wrong after it was written.
  class Lossy final : public testing::FaultyFileSystem {
   public:
    int rename(const char* from, const char* to) override {
      const std::string path = from;
      if (path.ends_with("model.safetensors.unfinished")) flip_bit(path, 500'000);
      return FaultyFileSystem::rename(from, to);
    }
  } lossy;
  options.out = directory / "lossy";
  test::Silent observer;
  StopFlag stop;
  const auto failed = convert(options, observer, stop, lossy);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().code == ErrorCode::differs);
  CHECK(failed.error().text().find("1 byte differs") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(options.out));
  CHECK_FALSE(std::filesystem::exists(options.out + ".partial"));
}

TEST_CASE("without a model and without checksums there is nothing to verify with") {
  const TemporaryDirectory directory;
  directory.write("out/config.json", "{}");
  VerifyOptions options;
  options.out = directory / "out";
  test::Silent observer;
  StopFlag stop;
  const auto report = verify(options, observer, stop, real_file_system());
  REQUIRE_FALSE(report.ok());
  CHECK(report.error().code == ErrorCode::usage);
  CHECK(report.error().text().find("--against") != std::string::npos);
  CHECK(report.error().text().find("SHA256SUMS") != std::string::npos);
}

}  // namespace
}  // namespace thaw
