// The library as a whole, on the checkpoints that the producers' own tools wrote. Bytes are
// compared by tests/golden and tests/cli; here: what is told, what is left behind.
#include "convert/convert.h"

#include <doctest/doctest.h>

#include <string>

#include "convert/inspect.h"
#include "io/directory.h"
#include "support/faulty_file_system.h"
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
  CHECK_FALSE(inspect("/nowhere/at/all", real_file_system()).ok());
}

}  // namespace
}  // namespace thaw
