// specs/output.md clause 6: nothing stands at the destination before all of it does.
#include "sink/directory_sink.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "io/directory.h"
#include "support/faulty_file_system.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

using testing::content_of;
using testing::FaultyFileSystem;
using testing::TemporaryDirectory;

Plan three_files() {
  Plan plan;
  plan.fingerprint = "0123456789abcdef";
  for (const auto& [name, size] : {std::pair{"config.json", 2}, std::pair{"code/a/b.py", 0},
                                   std::pair{"model.bin", 100'000}}) {
    PlannedFile file;
    file.name = name;
    file.size = static_cast<std::uint64_t>(size);
    plan.bytes += file.size;
    plan.files.push_back(std::move(file));
  }
  return plan;
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Status write_all(Sink& sink, std::size_t parts = 2) {
  THAW_RETURN_IF_ERROR(sink.write(0, 0, bytes_of("{}")));
  const std::string part(100'000 / parts, 'm');
  for (std::size_t i = parts; i-- > 0;) {
    THAW_RETURN_IF_ERROR(sink.write(2, i * part.size(), bytes_of(part)));
  }
  return {};
}

TEST_CASE("the directory appears whole, by finish and not before") {
  const TemporaryDirectory directory;
  const Plan plan = three_files();
  const std::string out = directory / "deep/er/out";
  auto sink = DirectorySink::open(real_file_system(), plan, {.out = out});
  REQUIRE(sink.ok());
  CHECK_FALSE(exists(out));
  CHECK(content_of(out + ".partial/thaw-state.json").find(plan.fingerprint) != std::string::npos);
  REQUIRE(write_all(*sink.value()).ok());
  CHECK_FALSE(exists(out));
  CHECK(exists(out + ".partial/model.bin"));  // whole, so it has its name
  REQUIRE(sink.value()->finish().ok());
  CHECK_FALSE(exists(out + ".partial"));
  CHECK_FALSE(exists(out + "/thaw-state.json"));
  CHECK(content_of(out + "/config.json") == "{}");
  CHECK(content_of(out + "/model.bin") == std::string(100'000, 'm'));
  CHECK(exists(out + "/code/a/b.py"));
}

TEST_CASE("a file that is not whole has no name, and finish refuses") {
  const TemporaryDirectory directory;
  const Plan plan = three_files();
  auto sink = DirectorySink::open(real_file_system(), plan, {.out = directory / "out"});
  REQUIRE(sink.ok());
  REQUIRE(sink.value()->write(2, 0, bytes_of("half")).ok());
  CHECK_FALSE(exists(directory / "out.partial/model.bin"));
  CHECK_FALSE(sink.value()->finish().ok());
  CHECK_FALSE(exists(directory / "out"));
}

TEST_CASE("abandoning keeps or removes what was written, and never makes the destination") {
  for (const Sink::Keep keep : {Sink::Keep::partial, Sink::Keep::nothing}) {
    const TemporaryDirectory directory;
    const Plan plan = three_files();
    auto sink = DirectorySink::open(real_file_system(), plan, {.out = directory / "out"});
    REQUIRE(sink.ok());
    REQUIRE(write_all(*sink.value()).ok());
    sink.value()->abandon(keep);
    CHECK_FALSE(exists(directory / "out"));
    CHECK(exists(directory / "out.partial") == (keep == Sink::Keep::partial));
  }
}

TEST_CASE("a second run takes over what the first left, but not somebody's own directory") {
  const TemporaryDirectory directory;
  const Plan plan = three_files();
  const DirectorySettings settings{.out = directory / "out"};
  {
    auto first = DirectorySink::open(real_file_system(), plan, settings);
    REQUIRE(first.ok());
    REQUIRE(first.value()->write(2, 0, bytes_of("half")).ok());
    const auto second = DirectorySink::open(real_file_system(), plan, settings);
    REQUIRE_FALSE(second.ok());
    CHECK(second.error().code == ErrorCode::locked);
  }
  {
    auto again = DirectorySink::open(real_file_system(), plan, settings);
    REQUIRE(again.ok());
    REQUIRE(write_all(*again.value(), 4).ok());
    REQUIRE(again.value()->finish().ok());
    CHECK(content_of(directory / "out/model.bin") == std::string(100'000, 'm'));
  }
  directory.write("mine.partial/thesis.txt", "years of work");
  const auto refused = DirectorySink::open(real_file_system(), plan, {.out = directory / "mine"});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::usage);
  CHECK(content_of(directory / "mine.partial/thesis.txt") == "years of work");
}

TEST_CASE("replacing exchanges the directories in one step, and the old one goes last") {
  const TemporaryDirectory directory;
  const Plan plan = three_files();
  directory.write("out/config.json", "old");
  directory.write("out/old.safetensors", "old");
  auto sink =
      DirectorySink::open(real_file_system(), plan, {.out = directory / "out", .replace = true});
  REQUIRE(sink.ok());
  REQUIRE(write_all(*sink.value()).ok());
  CHECK(content_of(directory / "out/config.json") == "old");
  REQUIRE(sink.value()->finish().ok());
  CHECK(content_of(directory / "out/config.json") == "{}");
  CHECK_FALSE(exists(directory / "out/old.safetensors"));
  CHECK_FALSE(exists(directory / "out.partial"));
}

TEST_CASE("the old directory is renamed to the backup, which is kept only when asked for") {
  for (const bool keep : {false, true}) {
    const TemporaryDirectory directory;
    const Plan plan = three_files();
    directory.write("out/config.json", "old");
    const DirectorySettings settings{
        .out = directory / "out", .replace = true, .keep_backup = keep};
    {
      auto sink = DirectorySink::open(real_file_system(), plan, settings);
      REQUIRE(sink.ok());
      REQUIRE(write_all(*sink.value()).ok());
      REQUIRE(sink.value()->finish().ok());
    }
    CHECK(content_of(directory / "out/config.json") == "{}");
    CHECK_FALSE(exists(directory / "out.partial"));
    CHECK(exists(directory / "out.backup") == keep);
    if (!keep) continue;
    CHECK(content_of(directory / "out.backup/config.json") == "old");
    const auto refused = DirectorySink::open(real_file_system(), plan, settings);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::usage);
    CHECK_FALSE(exists(directory / "out.partial"));
  }
}

TEST_CASE("too little space is found before the first byte, and said with both numbers") {
  const TemporaryDirectory directory;
  const Plan plan = three_files();
  FaultyFileSystem file_system;
  file_system.free_bytes = 50'000;
  const auto sink = DirectorySink::open(file_system, plan, {.out = directory / "out"});
  REQUIRE_FALSE(sink.ok());
  CHECK(sink.error().code == ErrorCode::no_space);
  CHECK(sink.error().text().find("free are 50.0 kB") != std::string::npos);
  CHECK_FALSE(exists(directory / "out.partial"));
}

TEST_CASE("a failing rename, sync or reservation makes no destination") {
  struct Row {
    const char* name;
    void (*fault)(FaultyFileSystem&);
    ErrorCode code;
  };
  const Row rows[] = {
      {"rename", [](FaultyFileSystem& fs) { fs.rename_error = EACCES; }, ErrorCode::io},
      {"fsync", [](FaultyFileSystem& fs) { fs.fsync_error = EIO; }, ErrorCode::io},
      {"fallocate", [](FaultyFileSystem& fs) { fs.fallocate_error = ENOSPC; },
       ErrorCode::no_space}};
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const TemporaryDirectory directory;
    const Plan plan = three_files();
    FaultyFileSystem file_system;
    auto sink = DirectorySink::open(file_system, plan, {.out = directory / "out"});
    REQUIRE(sink.ok());
    row.fault(file_system);
    Status status = write_all(*sink.value());
    if (status.ok()) status = sink.value()->finish();
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().code == row.code);
    CHECK_FALSE(exists(directory / "out"));
  }
}

}  // namespace
}  // namespace thaw
