#include "prepare/destination.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "io/directory.h"
#include "support/planned_model.h"

namespace thaw {
namespace {

namespace fs = std::filesystem;
using testing::PlannedModel;

std::vector<testing::TensorSpec> one_linear() {
  std::vector<testing::TensorSpec> tensors;
  testing::add_gemm(tensors, "m", 64, 64, 32, 1);
  return tensors;
}

TEST_CASE("places where no output may be made are refused as usage errors") {
  const PlannedModel model(one_linear());
  const std::string base = model.directory.path();
  model.directory.write("file", "x");
  model.directory.write("full/notes.txt", "x");
  model.directory.write("checkpoint/config.json", "{}");
  model.directory.write("nested/config.json", "{}");
  model.directory.write("nested/inner/model.safetensors", "x");
  fs::create_directory_symlink("model", base + "/link");
  struct Row {
    std::string out;
    bool force;
    const char* message;
  };
  const Row rows[] = {{"", false, "OUT is empty"},
                      {base + "/model", false, "lies inside the input"},
                      {base + "/link", false, "lies inside the input"},
                      {base + "/model/out", false, "lies inside the input"},
                      {base + "/link/new/out", true, "lies inside the input"},
                      {base, true, "contains or lies inside"},
                      {base + "/file", true, "not a directory"},
                      {base + "/full", false, "exists already"},
                      {base + "/full", true, "is not a checkpoint"},
                      {base + "/checkpoint", false, "exists already"},
                      {base + "/nested", true, "holds another checkpoint"},
                      {base + "/out.tar.zst", false, "ending that is not supported"},
                      {base + "/out.safetensors", false, "ending that is not supported"},
                      {"/proc", true, "mount point"}};
  for (const Row& row : rows) {
    CAPTURE(row.out);
    CAPTURE(row.force);
    const auto result = check_destination(row.out, row.force, *model.checkpoint);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == ErrorCode::usage);
    CHECK(result.error().text().find(row.message) != std::string::npos);
  }
}

TEST_CASE("new places, empty directories and, with force, checkpoints are fine") {
  const PlannedModel model(one_linear());
  const std::string base = model.directory.path();
  fs::create_directory(base + "/empty");
  model.directory.write("checkpoint/config.json", "{}");
  CHECK(check_destination(base + "/new/deep", false, *model.checkpoint).value() ==
        resolved_path(base + "/new/deep"));
  CHECK(check_destination(base + "/empty/", false, *model.checkpoint).ok());
  CHECK(check_destination(base + "/model-float", false, *model.checkpoint).ok());
  CHECK(check_destination(base + "/checkpoint", true, *model.checkpoint).ok());
}

}  // namespace
}  // namespace thaw
