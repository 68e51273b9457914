#include "io/mapped_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "support/resident_pages.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

using testing::cold_file;
using testing::resident_pages;
using testing::TemporaryDirectory;

TEST_CASE("a mapped file shows its bytes, also after they were dropped") {
  const TemporaryDirectory directory;
  std::string content(9'000'000, 'x');
  for (std::size_t i = 0; i < content.size(); i += 4096) content[i] = static_cast<char>(i / 4096);
  const std::string path = directory.write("shard", content);
  auto file = MappedFile::open(real_file_system(), path);
  REQUIRE(file.ok());
  const MappedFile& mapped = file.value();
  CHECK(mapped.size() == content.size());
  REQUIRE(mapped.populate(0, mapped.size()).ok());
  CHECK(std::memcmp(mapped.bytes().data(), content.data(), content.size()) == 0);
  mapped.drop(0, 4u << 20);
  mapped.drop(4u << 20, 4u << 20);
  mapped.drop(8u << 20, 4u << 20);
  CHECK(std::memcmp(mapped.bytes().data(), content.data(), content.size()) == 0);
  CHECK_FALSE(mapped.damaged());
  CHECK(mapped.check_unchanged().ok());
}

// specs/memory.md clause 6.
TEST_CASE("what was dropped does not come back with what follows") {
  const TemporaryDirectory directory;
  constexpr std::uint64_t kStep = 4u << 20;
  const auto [mapped, is_cold] = cold_file(directory, 8 * kStep);  // and mapped anew
  REQUIRE(mapped.populate(5 * kStep + 4096, 4096).ok());
  CHECK((!is_cold || resident_pages(mapped, 0, 5 * kStep) == 0));
}

TEST_CASE("only regular files open, and the message says what stands there") {
  const TemporaryDirectory directory;
  directory.write("empty", "");
  std::filesystem::create_directory(directory / "folder");
  REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
  std::filesystem::create_symlink("nowhere", directory / "dangling");
  struct Row {
    const char* name;
    const char* message;
    ErrorCode code;
  };
  for (const Row& row : {Row{"empty", "is empty", ErrorCode::input},
                         Row{"folder", "is not a regular file", ErrorCode::input},
                         Row{"fifo", "is not a regular file", ErrorCode::input},
                         Row{"dangling", "No such file", ErrorCode::input},
                         Row{"missing", "No such file", ErrorCode::input}}) {
    CAPTURE(row.name);
    const auto file = MappedFile::open(real_file_system(), directory / row.name);
    REQUIRE_FALSE(file.ok());
    CHECK(file.error().code == row.code);
    CHECK(file.error().text().find(row.message) != std::string::npos);
    CHECK(file.error().text().find(row.name) != std::string::npos);
  }
  const auto empty =
      MappedFile::open(real_file_system(), directory / "empty", MappedFile::Empty::allowed);
  REQUIRE(empty.ok());
  CHECK(empty.value().bytes().empty());
}

TEST_CASE("a file that is truncated while it is read becomes an error, not a crash") {
  const TemporaryDirectory directory;
  const std::string path = directory.write("shard", std::string(1 << 20, 'x'));
  auto file = MappedFile::open(real_file_system(), path);
  REQUIRE(file.ok());
  REQUIRE(::truncate(path.c_str(), 4096) == 0);
  const volatile std::byte* bytes = file.value().bytes().data();
  CHECK(bytes[0] == std::byte{'x'});
  CHECK(bytes[500'000] == std::byte{0});  // SIGBUS without the guard
  CHECK(bytes[(1 << 20) - 1] == std::byte{0});
  CHECK(file.value().damaged());
  const Status status = file.value().check_unchanged();
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::io);
  CHECK(status.error().text().find("got 4096, expected 1048576") != std::string::npos);
}

TEST_CASE("populate reports a truncated file") {
  const TemporaryDirectory directory;
  const std::string path = directory.write("shard", std::string(1 << 20, 'x'));
  auto file = MappedFile::open(real_file_system(), path);
  REQUIRE(file.ok());
  REQUIRE(::truncate(path.c_str(), 0) == 0);
  const Status status = file.value().populate(0, 1 << 20);
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::io);
}

TEST_CASE("a file that was modified meanwhile is noticed") {
  const TemporaryDirectory directory;
  const std::string path = directory.write("shard", "0123456789");
  auto file = MappedFile::open(real_file_system(), path);
  REQUIRE(file.ok());
  CHECK(file.value().check_unchanged().ok());
  std::filesystem::last_write_time(
      path, std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  CHECK_FALSE(file.value().check_unchanged().ok());
}

}  // namespace
}  // namespace thaw
