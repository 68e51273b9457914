// specs/overlay.md clauses 6 and 7: what is told of a real pair, and what is left under the base's
// name when replacing it fails anywhere. Bits and refusals: tests/cli/test_overlay.py.
#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <string>

#include "convert/convert.h"
#include "io/directory.h"
#include "support/faulty_file_system.h"
#include "support/places.h"
#include "support/planned_model.h"

namespace thaw {
namespace {

namespace fs = std::filesystem;
using testing::content_of;
using testing::TemporaryDirectory;

class Quiet final : public Observer {
 public:
  void on_progress(const Progress&) override {}
};

Result<ConvertReport> run(const ConvertOptions& options, FileSystem& file_system) {
  Quiet observer;
  StopFlag stop;
  return convert(options, observer, stop, file_system);
}

// Name and content of every file below a directory.
std::map<std::string, std::string> files_of(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    files[entry.path().lexically_relative(directory).string()] = content_of(entry.path().string());
  }
  return files;
}

TEST_CASE("a real pair belongs together, and the plan says how well") {
  ConvertOptions options;
  const std::string fixture = std::string(THAW_TEST_DATA) + "/qwen2_5_vl-overlay";
  options.model = fixture + "/awq";
  options.base = fixture + "/base";
  options.model_specs = THAW_MODEL_SPECS;
  const auto plan = plan_conversion(options, real_file_system());
  REQUIRE_MESSAGE(plan.ok(), (plan.ok() ? "" : plan.error().text()));
  REQUIRE(plan.value().overlay);
  const OverlaySummary& overlay = *plan.value().overlay;
  CHECK(overlay.spec == "qwen2_5_vl");
  CHECK(overlay.layers == 2);
  CHECK(overlay.replaced == 24);
  CHECK(overlay.kept == 33);
  REQUIRE(overlay.match);
  CHECK(overlay.match->samples == 4);
  CHECK(overlay.match->lowest_cosine > 0.98);
  CHECK(plan.value().dtype == Dtype::bf16);

  options.match_check = false;
  const auto unchecked = plan_conversion(options, real_file_system());
  REQUIRE(unchecked.ok());
  CHECK_FALSE(unchecked.value().overlay->match);
  CHECK(unchecked.value().fingerprint == plan.value().fingerprint);

  options.base = std::string(THAW_TEST_DATA) + "/qwen2-awq-gemm/model";
  CHECK(plan_conversion(options, real_file_system()).error().code == ErrorCode::input);
}

TEST_CASE("options that contradict a base are usage errors of the library too") {
  ConvertOptions plain;
  plain.model = "nowhere";
  ConvertOptions based = plain;
  based.base = "nowhere";
  const auto check = [](ConvertOptions options, void (*change)(ConvertOptions&)) {
    change(options);
    const auto plan = plan_conversion(options, real_file_system());
    REQUIRE_FALSE(plan.ok());
    CHECK(plan.error().code == ErrorCode::usage);
  };
  check(plain, [](ConvertOptions& options) { options.in_place = true; });
  check(plain, [](ConvertOptions& options) { options.spec = "qwen2"; });
  check(plain, [](ConvertOptions& options) { options.match_check = false; });
  check(based, [](ConvertOptions& options) { options.dtype = Dtype::f16; });
  check(based, [](ConvertOptions& options) { options.keep_backup = true; });
  check(based, [](ConvertOptions& options) {
    options.in_place = true;
    options.out = "somewhere";
  });
}

// Two shards of a toy model and its quantized checkpoint, as small as they can be.
void write_pair(const TemporaryDirectory& directory) {
  directory.write("toy.json", R"({"model_types": ["toy"], "layers": ["model.layers"],)"
                              R"("linears": ["up"], "floats": ["norm"]})");
  std::vector<testing::TensorSpec> blocks;
  std::vector<testing::TensorSpec> quantized;
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    const std::string up = layer + std::string("up");
    const std::string norm = layer + std::string("norm.weight");
    blocks.push_back({up + ".weight", Dtype::bf16, {32, 64}, {}});
    blocks.push_back({norm, Dtype::bf16, {64}, {}});
    testing::add_gemm(quantized, up, 64, 32, 32, 5);
    quantized.push_back({norm, Dtype::f16, {64}, testing::random_scales(64, 9)});
  }
  directory.write("float/model-00001-of-00002.safetensors", testing::safetensors(blocks));
  directory.write("float/model-00002-of-00002.safetensors",
                  testing::safetensors(
                      {{"lm_head.weight", Dtype::bf16, {8, 64}, testing::random_scales(512, 3)}}));
  std::string map;
  for (const testing::TensorSpec& tensor : blocks) {
    map += "\"" + tensor.name + "\": \"model-00001-of-00002.safetensors\", ";
  }
  directory.write(
      "float/model.safetensors.index.json",
      "{\"weight_map\": {" + map + "\"lm_head.weight\": \"model-00002-of-00002.safetensors\"}}");
  directory.write("float/config.json", R"({"model_type": "toy"})");
  directory.write("float/sub/code.py", "pass\n");
  directory.write("awq/model.safetensors", testing::safetensors(quantized));
  directory.write("awq/config.json", testing::kGemmConfig);
}

// From some call on, nothing that changes a directory works, as when the power fails there.
class Failing final : public testing::FaultyFileSystem {
 public:
  explicit Failing(int allowed) : left_(allowed) {}
  [[nodiscard]] bool failed() const { return left_ < 0; }

  int fsync(int fd) override { return stops() ? -1 : FaultyFileSystem::fsync(fd); }
  int rename(const char* from, const char* to) override {
    return stops() ? -1 : FaultyFileSystem::rename(from, to);
  }
  int exchange(const char* a, const char* b) override {
    return stops() ? -1 : FaultyFileSystem::exchange(a, b);
  }
  int mkdir(const char* path, mode_t mode) override {
    return stops() ? -1 : FaultyFileSystem::mkdir(path, mode);
  }
  int unlink(const char* path) override { return stops() ? -1 : FaultyFileSystem::unlink(path); }
  int rmdir(const char* path) override { return stops() ? -1 : FaultyFileSystem::rmdir(path); }

 private:
  bool stops() {
    const std::lock_guard lock(mutex_);
    if (left_ >= 0) --left_;
    if (left_ >= 0) return false;
    errno = EIO;
    return true;
  }
  std::mutex mutex_;
  int left_;
};

ConvertOptions in_place(const TemporaryDirectory& directory) {
  ConvertOptions options;
  options.model = directory / "awq";
  options.base = directory / "float";
  options.spec = directory / "toy.json";
  options.in_place = true;
  options.match_check = false;  // its weights are noise
  options.threads = 1;
  return options;
}

TEST_CASE("wherever replacing the base fails, one whole checkpoint stands under its name") {
  std::map<std::string, std::string> before;
  std::map<std::string, std::string> after;
  {
    const TemporaryDirectory directory;
    write_pair(directory);
    before = files_of(directory / "float");
    const auto report = run(in_place(directory), real_file_system());
    REQUIRE_MESSAGE(report.ok(), (report.ok() ? "" : report.error().text()));
    after = files_of(directory / "float");
    CHECK_FALSE(exists(directory / "float.partial"));
    CHECK_FALSE(exists(directory / "float.backup"));
  }
  CHECK(before.size() == after.size());
  CHECK(before != after);
  bool seen_before = false;
  bool seen_after = false;
  bool done = false;
  for (int allowed = 0; !done; ++allowed) {
    REQUIRE(allowed < 1000);
    for (const bool keep : {false, true}) {
      CAPTURE(allowed);
      CAPTURE(keep);
      const TemporaryDirectory directory;
      write_pair(directory);
      ConvertOptions options = in_place(directory);
      options.keep_backup = keep;
      Failing file_system(allowed);
      const auto report = run(options, file_system);
      done = !file_system.failed();
      CHECK(report.ok() == done);
      if (!report.ok()) CHECK(report.error().code == ErrorCode::io);
      const auto found = files_of(directory / "float");
      const bool whole = found == before || found == after;
      CHECK(whole);
      (found == before ? seen_before : seen_after) = true;
      // Until the new one stands, the old one is nowhere touched; and then it is what stays.
      if (keep && done) CHECK(files_of(directory / "float.backup") == before);
      // The next run tidies up; only a backup that is to be kept stands in its way.
      const bool kept = keep && found == after;
      const auto again = run(options, real_file_system());
      CHECK(again.ok() == !kept);
      if (!again.ok()) CHECK(again.error().code == ErrorCode::usage);
      CHECK(files_of(directory / "float") == after);
      CHECK_FALSE(exists(directory / "float.partial"));
      CHECK(exists(directory / "float.backup") == keep);
    }
  }
  CHECK(seen_before);
  CHECK(seen_after);
}

}  // namespace
}  // namespace thaw
