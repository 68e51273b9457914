// The library as a whole, on the checkpoints that the producers' own tools wrote. Bytes are
// compared by tests/golden and tests/cli; here: what is told, what is left behind.
#include "convert/convert.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "compare/inspect.h"
#include "io/directory.h"
#include "support/faulty_file_system.h"
#include "support/places.h"
#include "support/safetensors_file.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

using testing::content_of;
using testing::FaultyFileSystem;
using testing::TemporaryDirectory;

std::string model_named(const std::string& name) {
  return std::string(THAW_TEST_DATA) + "/" + name + "/model";
}

class Quiet final : public Observer {
 public:
  void on_progress(const Progress& progress) override { last = progress.stage; }
  std::string last;
};

TEST_CASE("a conversion reports what its plan announced") {
  const TemporaryDirectory directory;
  ConvertOptions options;
  options.model = model_named("qwen2-awq-gemm");
  options.out = directory / "out";
  const auto plan = plan_conversion(options, real_file_system());
  REQUIRE(plan.ok());
  CHECK_FALSE(exists(options.out));
  CHECK(plan.value().linears == 14);
  CHECK(plan.value().tensors == 27);
  CHECK(plan.value().dtype == Dtype::f16);

  Quiet observer;
  StopFlag stop;
  const auto report = convert(options, observer, stop, real_file_system());
  REQUIRE_MESSAGE(report.ok(), (report.ok() ? "" : report.error().text()));
  CHECK(report.value().bytes_written == plan.value().bytes_out);
  CHECK(report.value().plan.fingerprint == plan.value().fingerprint);
  CHECK(report.value().peak_memory > 0);
  CHECK(observer.last == "finishing");
  CHECK(content_of(options.out + "/tokenizer.json") ==
        content_of(options.model + "/tokenizer.json"));

  const auto again = convert(options, observer, stop, real_file_system());
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().code == ErrorCode::usage);
  options.force = true;
  CHECK(convert(options, observer, stop, real_file_system()).ok());
}

TEST_CASE("every way of writing and reading gives the same files") {
  struct Row {
    const char* name;
    OutputMode mode;
    std::uint64_t memory;
    unsigned threads;
    int direct_write_error;
  };
  const Row rows[] = {
      {"default", OutputMode::automatic, 256'000'000, 2, 0},
      {"buffered", OutputMode::buffered, 256'000'000, 1, 0},
      {"O_DIRECT refused at the first write", OutputMode::automatic, 64'000'000, 7, EINVAL}};
  for (const char* model : {"qwen2-awq-gemm", "qwen2-awq-marlin"}) {
    std::string first;
    for (const Row& row : rows) {
      CAPTURE(std::string(model));
      CAPTURE(std::string(row.name));
      const TemporaryDirectory directory;
      FaultyFileSystem file_system;
      file_system.direct_write_error = row.direct_write_error;
      ConvertOptions options;
      options.model = model_named(model);
      options.out = directory / "out";
      options.dtype = Dtype::bf16;
      options.output_mode = row.mode;
      options.memory = row.memory;
      options.threads = row.threads;
      Quiet observer;
      StopFlag stop;
      const auto report = convert(options, observer, stop, file_system);
      REQUIRE_MESSAGE(report.ok(), (report.ok() ? "" : report.error().text()));
      const std::string bytes = content_of(options.out + "/model.safetensors");
      REQUIRE_FALSE(bytes.empty());
      if (first.empty()) first = bytes;
      CHECK(bytes == first);
    }
  }
}

TEST_CASE("a failure leaves no destination, whatever fails") {
  struct Row {
    const char* name;
    void (*fault)(FaultyFileSystem&);
    ErrorCode code;
  };
  const Row rows[] = {
      {"write", [](FaultyFileSystem& fs) { fs.before_write = [] { return EIO; }; }, ErrorCode::io},
      {"no space", [](FaultyFileSystem& fs) { fs.before_write = [] { return ENOSPC; }; },
       ErrorCode::no_space},
      {"little space", [](FaultyFileSystem& fs) { fs.free_bytes = 1000; }, ErrorCode::no_space},
      {"sync", [](FaultyFileSystem& fs) { fs.fsync_error = EIO; }, ErrorCode::io},
      {"rename", [](FaultyFileSystem& fs) { fs.rename_error = EPERM; }, ErrorCode::io}};
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    const TemporaryDirectory directory;
    FaultyFileSystem file_system;
    row.fault(file_system);
    ConvertOptions options;
    options.model = model_named("qwen2-awq-gemm");
    options.out = directory / "out";
    Quiet observer;
    StopFlag stop;
    const auto report = convert(options, observer, stop, file_system);
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().code == row.code);
    CHECK_FALSE(exists(options.out));
    // And the next run, without the fault, is not stopped by what the first left.
    CHECK(convert(options, observer, stop, real_file_system()).ok());
  }
}

TEST_CASE("an unknown instruction set and a budget that is too small are refused before writing") {
  const TemporaryDirectory directory;
  ConvertOptions options;
  options.model = model_named("qwen2-awq-gemm");
  options.out = directory / "out";
  Quiet observer;
  StopFlag stop;
  options.isa = "mmx";
  CHECK(convert(options, observer, stop, real_file_system()).error().code == ErrorCode::usage);
  options.isa = "scalar";
  options.memory = 1'000'000;
  CHECK(convert(options, observer, stop, real_file_system()).error().code == ErrorCode::no_space);
  CHECK_FALSE(exists(options.out + ".partial"));
}

TEST_CASE("inspect groups linears and says what convert would do") {
  const auto inspection = inspect(model_named("qwen2-awq-marlin"), real_file_system());
  REQUIRE(inspection.ok());
  CHECK(inspection.value().problems.empty());
  CHECK(inspection.value().plan.has_value());
  CHECK(inspection.value().version == "marlin");
  std::uint64_t linears = 0;
  for (const LinearGroup& group : inspection.value().groups) {
    CHECK(group.layout == "awq_marlin");
    CHECK(group.symmetric);
    CHECK(group.modules.find("model.layers.*.") == 0);
    linears += group.count;
  }
  CHECK(linears == 14);
}

TEST_CASE("inspect tells why a checkpoint would be refused") {
  const auto inspection = inspect(model_named("starcoder2-awq-act_scales"), real_file_system());
  REQUIRE(inspection.ok());
  CHECK_FALSE(inspection.value().plan.has_value());
  REQUIRE_FALSE(inspection.value().problems.empty());
  CHECK(inspection.value().problems.front().find("act.scales") != std::string::npos);
  CHECK(inspection.value().groups.size() == 6);
  CHECK_FALSE(inspect("/nowhere/at/all", real_file_system()).ok());
}

TEST_CASE("inspect says why a layout was recognised, and finds nothing wrong in what is right") {
  for (const char* model : {"qwen2-awq-gemm", "qwen2-awq-gemv", "qwen2-awq-gemv_fast",
                            "qwen2-awq-marlin", "starcoder2-awq-act_scales"}) {
    CAPTURE(std::string(model));
    const auto inspection = inspect(model_named(model), real_file_system(), THAW_MODEL_SPECS);
    REQUIRE(inspection.ok());
    CHECK(inspection.value().problems.empty());
    REQUIRE_FALSE(inspection.value().groups.empty());
    for (const LinearGroup& group : inspection.value().groups) {
      CHECK(group.reason.find(": qweight I") != std::string::npos);
      CHECK(group.reason.find(", scales F16 [") != std::string::npos);
      CHECK(group.contradictions.empty());
      CHECK_FALSE(group.flaws.any());
    }
  }
}

// tests/data's model with some bits of the scales of one module replaced.
void spoil_scales(const TemporaryDirectory& directory, const std::string& name,
                  const std::string& tensor, const std::string& bits) {
  std::string bytes = content_of(model_named(name) + "/model.safetensors");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  const std::string header = bytes.substr(8, length);
  const std::size_t entry = header.find('"' + tensor + '"');
  REQUIRE(entry != std::string::npos);
  const std::size_t offsets = header.find("data_offsets\":[", entry) + 15;
  const std::size_t begin = std::stoul(header.substr(offsets));
  bytes.replace(8 + length + begin, bits.size(), bits);
  directory.write("model/model.safetensors", bytes);
  directory.write("model/config.json", content_of(model_named(name) + "/config.json"));
}

TEST_CASE("inspect counts infinite, NaN and zero scales, but not the padding") {
  for (const char* model : {"qwen2-awq-gemv", "qwen2-awq-gemv_fast", "qwen2-awq-marlin"}) {
    CAPTURE(std::string(model));
    const TemporaryDirectory directory;
    const std::string bits("\x00\x7c\x00\x80\x01\xfc", 6);
    spoil_scales(directory, model, "model.layers.1.mlp.down_proj.scales", bits);
    const auto inspection = inspect(directory / "model", real_file_system());
    REQUIRE(inspection.ok());
    for (const LinearGroup& group : inspection.value().groups) {
      const bool spoilt = group.modules == "model.layers.*.mlp.down_proj";
      CHECK(group.flaws.infinite == (spoilt ? 1 : 0));
      CHECK(group.flaws.zero == (spoilt ? 1 : 0));
      CHECK(group.flaws.nan == (spoilt ? 1 : 0));
      CHECK(group.flaws.first == (spoilt ? "model.layers.1.mlp.down_proj" : ""));
    }
  }
}

// What of a module `find` is interested in.
const LinearGroup& group_named(const Inspection& inspection, std::string_view modules) {
  for (const LinearGroup& group : inspection.groups) {
    if (group.modules == modules) return group;
  }
  REQUIRE_MESSAGE(false, std::string(modules));
  return inspection.groups.front();
}

TEST_CASE("inspect counts modules with the highest v1 zero points") {
  const auto module_of = [](const std::string& name, std::uint64_t inputs, std::uint64_t outputs,
                            std::uint32_t zeros) {
    std::string words;
    for (std::uint64_t i = 0; i < outputs / 8; ++i) {
      words.append(reinterpret_cast<const char*>(&zeros), sizeof zeros);
    }
    return std::vector<testing::TensorSpec>{
        {name + ".qweight", Dtype::i32, {inputs / 8, outputs}},
        {name + ".qzeros", Dtype::i32, {1, outputs / 8}, words},
        {name + ".scales", Dtype::f16, {1, outputs}, std::string(outputs * 2, '\x24')}};
  };
  std::vector<testing::TensorSpec> tensors;
  for (const auto& module :
       {module_of("l.0.up", 64, 16, 0x77777777), module_of("l.1.up", 64, 16, 0x7f777777),
        module_of("l.2.up", 64, 16, 0xffffffff),
        module_of("model.embed_tokens", 32, 64, 0x77777777)}) {
    tensors.insert(tensors.end(), module.begin(), module.end());
  }
  const TemporaryDirectory directory;
  directory.write("model/model.safetensors", testing::safetensors(tensors));
  directory.write("model/config.json",
                  R"({"quantization_config": {"quant_method": "gptq", "bits": 4, "sym": false,
                      "group_size": 64}})");
  const auto inspection = inspect(directory / "model", real_file_system());
  REQUIRE(inspection.ok());
  CHECK(inspection.value().problems.empty());
  CHECK(inspection.value().version == "gptq");
  const LinearGroup& up = group_named(inspection.value(), "l.*.up");
  CHECK(up.count == 3);
  CHECK(up.bits == 4);
  CHECK(up.wrapped_zeros == 2);
  CHECK(up.first_wrapped == "l.1.up");
  CHECK_FALSE(up.untransposed);
  CHECK(up.reason.find("as many columns of scales as of qweight: qweight I32 [8, 16]") == 0);
  // Of an embedding, in is the vocabulary.
  const LinearGroup& embedding = group_named(inspection.value(), "model.embed_tokens");
  CHECK(embedding.wrapped_zeros == 0);
  CHECK(embedding.untransposed);
  CHECK(embedding.in_features == 32);
  CHECK(embedding.out_features == 64);
  CHECK(embedding.contradictions.empty());
}

TEST_CASE("inspect tells widths apart, and what only some modules of a group contradict") {
  const auto module_of = [](const std::string& name, std::uint64_t bits) {
    return std::vector<testing::TensorSpec>{
        {name + ".qweight", Dtype::i32, {2 * bits, 16}},
        {name + ".g_idx", Dtype::i32, {64}},
        {name + ".scales", Dtype::f16, {1, 16}, std::string(32, '\x24')}};
  };
  std::vector<testing::TensorSpec> tensors;
  for (const auto& module :
       {module_of("l.0.up", 4), module_of("l.1.up", 8), module_of("l.2.up", 8)}) {
    tensors.insert(tensors.end(), module.begin(), module.end());
  }
  const TemporaryDirectory directory;
  directory.write("model/model.safetensors", testing::safetensors(tensors));
  directory.write("model/config.json",
                  R"({"quantization_config": {"quant_method": "gptq", "bits": 4, "sym": true,
                      "group_size": -1, "checkpoint_format": "gptq_v2",
                      "dynamic": {"l.1.*": {"bits": 8}}}})");
  const auto inspection = inspect(directory / "model", real_file_system());
  REQUIRE(inspection.ok());
  CHECK(inspection.value().version == "gptq_v2");
  REQUIRE(inspection.value().groups.size() == 2);
  CHECK(inspection.value().groups[0].bits == 4);
  CHECK(inspection.value().groups[0].contradictions.empty());
  CHECK(inspection.value().groups[0].reason.find("g_idx: qweight I32 [8, 16]") == 0);
  CHECK(inspection.value().groups[1].bits == 8);
  CHECK(inspection.value().groups[1].count == 2);
  CHECK(inspection.value().groups[1].contradictions ==
        std::vector<std::string>{"bits 4, 8 by shape"});
}

TEST_CASE("a file of one linear becomes a file of one weight") {
  const std::vector<testing::TensorSpec> tensors = {
      {"qweight", Dtype::i32, {64, 2}, std::string(512, '\x99')},
      {"scales", Dtype::f16, {2, 16}, std::string(64, '\x3c')},
      {"bias", Dtype::f16, {16}}};
  const TemporaryDirectory directory;
  directory.write("linear.safetensors", testing::safetensors(tensors));
  ConvertOptions options;
  options.model = directory / "linear.safetensors";
  options.out = directory / "out";
  Quiet observer;
  StopFlag stop;
  const auto report = convert(options, observer, stop, real_file_system());
  REQUIRE_MESSAGE(report.ok(), (report.ok() ? "" : report.error().text()));
  const std::string written = content_of(directory / "out/model.safetensors");
  CHECK(written.find(R"("weight":{"dtype":"F16","shape":[16,64])") != std::string::npos);
  CHECK(written.find(R"("bias":{)") != std::string::npos);
  // All codes are 9, the zero is 8: every weight is the scale.
  CHECK(written.find(std::string(16 * 64 * 2, '\x3c')) != std::string::npos);
}

TEST_CASE("activation scales are folded, and the plan says so") {
  const TemporaryDirectory directory;
  ConvertOptions options;
  options.model = model_named("starcoder2-awq-act_scales");
  options.out = directory / "out";
  Quiet observer;
  StopFlag stop;
  const auto refused = convert(options, observer, stop, real_file_system());
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::input);
  CHECK(refused.error().messages.size() == 2);
  options.model_specs = THAW_MODEL_SPECS;
  const auto report = convert(options, observer, stop, real_file_system());
  REQUIRE_MESSAGE(report.ok(), (report.ok() ? "" : report.error().text()));
  CHECK(report.value().plan.linears == 12);
  CHECK(report.value().plan.folded == 2);
  CHECK(report.value().plan.tensors == 35);
}

}  // namespace
}  // namespace thaw
