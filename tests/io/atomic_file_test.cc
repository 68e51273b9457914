#include "io/atomic_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/directory.h"
#include "support/faulty_file_system.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

namespace fs = std::filesystem;
using testing::content_of;
using testing::FaultyFileSystem;
using testing::TemporaryDirectory;

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path)) names.push_back(entry.path().filename());
  return names;
}

TEST_CASE("a file appears under its name by publish and not before, and replaces what was there") {
  const TemporaryDirectory directory;
  const std::string path = directory.write("report.json", "old");
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  {
    auto file = AtomicFile::create(real_file_system(), path);
    REQUIRE(file.ok());
    REQUIRE(file.value().append("new ").ok());
    REQUIRE(file.value().append("text").ok());
    CHECK(content_of(path) == "old");
    REQUIRE(file.value().publish().ok());
  }
  CHECK(content_of(path) == "new text");
  CHECK((fs::status(path).permissions() & fs::perms::all) ==
        (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(names_in(directory.path()) == std::vector<std::string>{"report.json"});
}

TEST_CASE("a file that is not published leaves nothing behind, and the old one as it was") {
  const TemporaryDirectory directory;
  const std::string path = directory.write("report.json", "old");
  {
    auto file = AtomicFile::create(real_file_system(), path);
    REQUIRE(file.ok());
    REQUIRE(file.value().append("half").ok());
    AtomicFile moved(std::move(file).value());
    CHECK(names_in(directory.path()).size() == 2);
    for (const std::string& name : names_in(directory.path())) {
      CHECK(is_temporary_name(name) == (name != "report.json"));
    }
  }
  CHECK(content_of(path) == "old");
  CHECK(names_in(directory.path()).size() == 1);
}

TEST_CASE("whatever call fails, the old file or the new one is there whole, and nothing else") {
  std::uint64_t calls = 0;
  for (std::uint64_t at = 0; at == 0 || at <= calls; ++at) {
    CAPTURE(at);
    const TemporaryDirectory directory;
    const std::string path = directory.write("a", "old");
    FaultyFileSystem faulty;
    faulty.fault.at = at;
    const Status saved = save_file(faulty, path, "the new content");
    if (at == 0) calls = faulty.count(testing::Call::any);
    const std::string content = content_of(path);
    CHECK((content == "the new content" || (!saved.ok() && content == "old")));
    CHECK(names_in(directory.path()).size() == 1);
  }
  CHECK(calls >= 5);  // open, write, sync, close, rename
}

TEST_CASE("two writers of one name do not tear it") {
  const TemporaryDirectory directory;
  const std::string path = directory / "metrics.prom";
  auto first = AtomicFile::create(real_file_system(), path);
  auto second = AtomicFile::create(real_file_system(), path);
  REQUIRE((first.ok() && second.ok()));
  REQUIRE(first.value().append("a long text of the first").ok());
  REQUIRE(first.value().publish().ok());
  CHECK(content_of(path) == "a long text of the first");
  REQUIRE(second.value().append("second").ok());
  CHECK(content_of(path) == "a long text of the first");
  REQUIRE(second.value().publish().ok());
  CHECK(content_of(path) == "second");
}

// Somebody guesses the name, and puts a link there first.
class Planting final : public FaultyFileSystem {
 public:
  explicit Planting(std::string target) : target_(std::move(target)) {}
  int open(const char* path, int flags, mode_t mode) override {
    if ((flags & O_CREAT) != 0 && ++planted_ <= 3) fs::create_symlink(target_, path);
    return FaultyFileSystem::open(path, flags, mode);
  }

 private:
  std::string target_;
  int planted_ = 0;
};

TEST_CASE("a link in the place of the temporary file is neither followed nor removed") {
  const TemporaryDirectory directory;
  const std::string precious = directory.write("precious", "keep me");
  fs::create_directory(directory / "shared");
  Planting planting(precious);
  REQUIRE(save_file(planting, directory / "shared/report", "text").ok());
  CHECK(content_of(precious) == "keep me");
  CHECK(content_of(directory / "shared/report") == "text");
  CHECK(names_in(directory / "shared").size() == 4);
}

TEST_CASE("a link under the name itself is replaced, not followed") {
  const TemporaryDirectory directory;
  const std::string precious = directory.write("precious", "keep me");
  fs::create_symlink(precious, directory / "report");
  REQUIRE(save_file(real_file_system(), directory / "report", "text").ok());
  CHECK(content_of(precious) == "keep me");
  CHECK_FALSE(is_link(directory / "report"));
}

TEST_CASE("only the names of temporary files are theirs") {
  CHECK(is_temporary_name(".thaw-0123456789abcdef.new"));
  for (const char* name : {".thaw-0123456789abcdeF.new", ".thaw-0123456789abcde.new", ".thaw-.new",
                           "thaw-0123456789abcdef.new", ".thaw-0123456789abcdef.old", ""}) {
    CAPTURE(name);
    CHECK_FALSE(is_temporary_name(name));
  }
}

TEST_CASE("a directory that is not there is an error that names the file") {
  const TemporaryDirectory directory;
  const Status saved = save_file(real_file_system(), directory / "no/report", "text");
  REQUIRE_FALSE(saved.ok());
  CHECK(saved.error().code == ErrorCode::io);
  CHECK(saved.error().text().find("no/report: cannot make a new file") != std::string::npos);
}

}  // namespace
}  // namespace thaw
