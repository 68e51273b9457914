#include "io/directory.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "io/lock.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryDirectory;

TEST_CASE("a listing is sorted and tells files, folders and links apart") {
  const TemporaryDirectory directory;
  directory.write("b", "12345");
  directory.write("a/inner", "x");
  fs::create_symlink("b", directory / "link");
  fs::create_symlink("nowhere", directory / "dangling");
  const auto entries = list_directory(directory.path());
  REQUIRE(entries.ok());
  REQUIRE(entries.value().size() == 4);
  CHECK(entries.value()[0].name == "a");
  CHECK(entries.value()[0].kind == FileKind::directory);
  CHECK(entries.value()[1].size == 5);
  CHECK(entries.value()[2].name == "dangling");
  CHECK(entries.value()[2].link);
  CHECK(entries.value()[2].kind == FileKind::other);
  CHECK(entries.value()[3].kind == FileKind::regular);
  CHECK(list_directory(directory / "missing").error().code == ErrorCode::input);
}

TEST_CASE("removing a tree removes links and never what they point at") {
  const TemporaryDirectory directory;
  directory.write("precious/data", "keep me");
  directory.write("tree/a/b/c", "x");
  fs::create_directory_symlink(directory / "precious", directory / "tree/a/link");
  REQUIRE(remove_tree(real_file_system(), directory / "tree").ok());
  CHECK_FALSE(exists(directory / "tree"));
  CHECK(testing::content_of(directory / "precious/data") == "keep me");
}

TEST_CASE("resolved paths are absolute, without links and dots, also where nothing stands yet") {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "real");
  fs::create_directory_symlink("real", directory / "link");
  const std::string real = resolved_path(directory / "real");
  CHECK(resolved_path(directory / "link") == real);
  CHECK(resolved_path(directory / "link/../real/") == real);
  CHECK(resolved_path(directory / "link/new/../new/out") == real + "/new/out");
}

TEST_CASE("a second lock on a directory is refused until the first has gone") {
  const TemporaryDirectory directory;
  {
    const auto first = Lock::take_directory(real_file_system(), directory.path());
    REQUIRE(first.ok());
    const auto second = Lock::take_directory(real_file_system(), directory.path());
    REQUIRE_FALSE(second.ok());
    CHECK(second.error().code == ErrorCode::locked);
  }
  CHECK(Lock::take_directory(real_file_system(), directory.path()).ok());
}

TEST_CASE("small files are read whole, larger ones refused") {
  const TemporaryDirectory directory;
  const std::string path = directory.write("config.json", "{}");
  CHECK(read_file(real_file_system(), path, 100).value() == "{}");
  CHECK(read_file(real_file_system(), path, 1).error().code == ErrorCode::input);
  CHECK(read_file(real_file_system(), directory.path(), 100).error().code == ErrorCode::input);
  CHECK(read_file(real_file_system(), directory / "missing", 100).error().code == ErrorCode::input);
}

TEST_CASE("directories are made with their parents, and exchanged in one step") {
  const TemporaryDirectory directory;
  REQUIRE(make_directories(real_file_system(), directory / "a/b/c").ok());
  CHECK(file_kind(directory / "a/b/c") == FileKind::directory);
  directory.write("a/name", "a");
  directory.write("x/name", "x");
  REQUIRE(exchange_paths(real_file_system(), directory / "a", directory / "x").ok());
  CHECK(testing::content_of(directory / "a/name") == "x");
  CHECK_FALSE(make_directories(real_file_system(), directory / "a/name/below").ok());
  CHECK(is_mount_point("/"));
  CHECK_FALSE(is_mount_point(directory / "a"));
}

}  // namespace
}  // namespace thaw
