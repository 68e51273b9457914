#include "sink/input_marks.h"

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "sink/directory_sink.h"
#include "sink/run_state.h"
#include "support/planned_model.h"

namespace thaw {
namespace {

namespace fs = std::filesystem;

const InputMark kMark{.name = "model.safetensors",
                      .size = 1000,
                      .modified_ns = 1'700'000'000'123'456'789,
                      .changed_ns = 1'700'000'000'987'654'321,
                      .inode = ~std::uint64_t{0}};

TEST_CASE("a mark is read as it was written, and nothing else is") {
  InputMark read;
  read.name = kMark.name;
  REQUIRE(parse_mark(mark_text(kMark), read));
  CHECK(read == kMark);
  InputMark before1970 = kMark;
  before1970.modified_ns = -5;
  REQUIRE(parse_mark(mark_text(before1970), read));
  CHECK(read == before1970);
  for (const char* text : {"", "1", "1:2:3", "1:2:3:", "1:2:3:4 ", "1:2:3:4:5", "a:2:3:4",
                           "-1:2:3:4", "1:2:3:18446744073709551616", "::::"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_mark(text, read));
  }
}

// specs/output.md clause 9.
TEST_CASE("size and modification time decide everywhere, the change time on the same inode") {
  struct Row {
    const char* what;
    void (*change)(InputMark&);
    bool same_host;
    const char* message;  // null: it is the same input
  };
  for (const Row& row :
       {Row{"nothing", [](InputMark&) {}, true, nullptr},
        Row{"size", [](InputMark& mark) { ++mark.size; }, false, "another size"},
        Row{"mtime", [](InputMark& mark) { ++mark.modified_ns; }, false, "was modified"},
        Row{"ctime", [](InputMark& mark) { ++mark.changed_ns; }, true, "(ctime)"},
        Row{"ctime elsewhere", [](InputMark& mark) { ++mark.changed_ns; }, false, nullptr},
        Row{"a copy",
            [](InputMark& mark) {
              --mark.inode;
              ++mark.changed_ns;
            },
            true, nullptr},
        Row{"another path", [](InputMark& mark) { mark.name = "x"; }, true, nullptr}}) {
    CAPTURE(row.what);
    std::vector<InputMark> now = {kMark, kMark};
    row.change(now[1]);
    const Status status = check_input_marks("OUT.partial", {kMark, kMark}, now, row.same_host);
    CHECK(status.ok() == (row.message == nullptr));
    if (status.ok()) continue;
    CHECK(status.error().code == ErrorCode::usage);
    CHECK(status.error().text().find(row.message) != std::string::npos);
    CHECK(status.error().text().find("model.safetensors") != std::string::npos);
    CHECK(status.error().hint.find("--restart") != std::string::npos);
  }
  CHECK_FALSE(check_input_marks("OUT.partial", {}, {kMark}, true).ok());
}

TEST_CASE("the state keeps the marks, and a run whose input was touched is not continued") {
  const testing::PlannedModel model(testing::toy_tensors());
  const testing::TemporaryDirectory directory;
  const DirectorySettings settings{.out = directory / "out"};
  { REQUIRE(DirectorySink::open(real_file_system(), model.plan, settings).ok()); }
  const auto state = load_run_state(real_file_system(), directory / "out.partial/thaw-state.json");
  REQUIRE(state.ok());
  CHECK(state.value().inputs == input_marks(model.plan));
  CHECK(state.value().inputs.size() == model.plan.inputs.size());
  { REQUIRE(DirectorySink::open(real_file_system(), model.plan, settings).ok()); }

  // The same plan, of files that were touched: as if a later run had opened them.
  const std::string shard = model.directory / "model/model.safetensors";
  fs::last_write_time(shard, fs::last_write_time(shard) + std::chrono::seconds(1));
  const auto touched = MappedFile::open(real_file_system(), shard);
  REQUIRE(touched.ok());
  PlannedFiles later = model.plan;
  later.inputs[0] = &touched.value();
  CHECK(input_digest(later) != input_digest(model.plan));
  const auto refused = DirectorySink::open(real_file_system(), later, settings);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::usage);
  CHECK(refused.error().text().find("model.safetensors was modified") != std::string::npos);
  DirectorySettings restart = settings;
  restart.restart = true;
  CHECK(DirectorySink::open(real_file_system(), later, restart).ok());
}

}  // namespace
}  // namespace thaw
