// specs/output.md clauses 6 and 7: what a run finds of an earlier one is kept when it is whole,
// refused when it is of another plan, and never trusted.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "io/directory.h"
#include "sink/directory_sink.h"
#include "support/faulty_file_system.h"
#include "support/temporary_directory.h"
#include "support/tree.h"

namespace thaw {
namespace {

using testing::Call;
using testing::content_of;
using testing::FaultyFileSystem;
using testing::TemporaryDirectory;
using testing::tree_of;

constexpr std::size_t kSize = 10'000;

Plan small_plan(const std::string& fingerprint = "0123456789abcdef") {
  Plan plan;
  plan.fingerprint = fingerprint;
  for (const char* name : {"config.json", "code/a.py", "model.bin"}) {
    PlannedFile file;
    file.name = name;
    file.size = kSize;
    plan.bytes += file.size;
    plan.files.push_back(std::move(file));
  }
  return plan;
}

std::string content(std::uint32_t file) {
  return std::string(kSize, static_cast<char>('a' + static_cast<int>(file)));
}

Status write_file(Sink& sink, std::uint32_t file) {
  const std::string bytes = content(file);
  return sink.write(file, 0, std::as_bytes(std::span(bytes)));
}

// As convert() does it: what is found is checked, the rest is made. The files kept.
Result<std::uint64_t> run(FileSystem& file_system, const PlannedFiles& plan,
                          const DirectorySettings& settings) {
  THAW_ASSIGN_OR_RETURN(const auto sink, DirectorySink::open(file_system, plan, settings));
  alignas(4096) static std::byte buffer[8192];
  const auto advance = [](std::uint64_t) { return Status(); };
  for (const std::uint32_t file : sink->found()) {
    THAW_RETURN_IF_ERROR(sink->check(file, buffer, advance));
  }
  std::uint64_t kept = 0;
  for (std::uint32_t i = 0; i < plan.files.size(); ++i) {
    kept += sink->has(i) ? 1 : 0;
    if (!sink->has(i)) THAW_RETURN_IF_ERROR(write_file(*sink, i));
  }
  THAW_RETURN_IF_ERROR(sink->finish());
  return kept;
}

void check_whole(const std::string& out) {
  CHECK(tree_of(out) == std::map<std::string, std::string>{{"config.json", content(0)},
                                                           {"code", "/"},
                                                           {"code/a.py", content(1)},
                                                           {"model.bin", content(2)}});
}

// A directory in which a run has finished two files and begun the third.
struct Interrupted {
  explicit Interrupted(const PlannedFiles& plan) {
    auto sink = DirectorySink::open(real_file_system(), plan, settings);
    REQUIRE(sink.ok());
    REQUIRE(write_file(*sink.value(), 0).ok());
    REQUIRE(write_file(*sink.value(), 1).ok());
    const std::string half(kSize / 2, 'c');
    REQUIRE(sink.value()->write(2, 0, std::as_bytes(std::span(half))).ok());
  }
  TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  DirectorySettings settings{.out = directory / "out"};
  std::string partial = directory / "out.partial";
  std::string state = partial + "/thaw-state.json";
};

TEST_CASE("finished files are kept, the others are made, and strangers are removed") {
  const Plan plan = small_plan();
  const Interrupted before(plan);
  before.directory.write("out.partial/stranger.bin", "x");
  before.directory.write("out.partial/code/stranger.py", "x");
  const auto kept = run(real_file_system(), plan, before.settings);
  REQUIRE(kept.ok());
  CHECK(kept.value() == 2);
  check_whole(before.settings.out);
}

TEST_CASE("a finished file that is not what was written is made anew") {
  const Plan plan = small_plan();
  struct Row {
    const char* name;
    void (*spoil)(const Interrupted&);
  };
  const Row rows[] = {
      {"a flipped bit",
       [](const Interrupted& before) {
         std::string bytes = content(0);
         bytes[5000] ^= 1;
         before.directory.write("out.partial/config.json", bytes);
       }},
      {"shorter",
       [](const Interrupted& before) {
         before.directory.write("out.partial/config.json", content(0).substr(1));
       }},
      {"gone",
       [](const Interrupted& before) { std::filesystem::remove(before.partial + "/config.json"); }},
      {"a link to the right bytes",
       [](const Interrupted& before) {
         before.directory.write("elsewhere", content(0));
         std::filesystem::remove(before.partial + "/config.json");
         std::filesystem::create_symlink(before.directory / "elsewhere",
                                         before.partial + "/config.json");
       }},
      {"a directory", [](const Interrupted& before) {
         std::filesystem::remove(before.partial + "/config.json");
         std::filesystem::create_directory(before.partial + "/config.json");
       }}};
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    const Interrupted before(plan);
    row.spoil(before);
    const auto kept = run(real_file_system(), plan, before.settings);
    REQUIRE(kept.ok());
    CHECK(kept.value() == 1);
    check_whole(before.settings.out);
    CHECK_FALSE(is_link(before.settings.out + "/config.json"));
    if (exists(before.directory / "elsewhere")) {
      CHECK(content_of(before.directory / "elsewhere") == content(0));
    }
  }
}

TEST_CASE("a folder that became a link leads nowhere") {
  const Plan plan = small_plan();
  const Interrupted before(plan);
  before.directory.write("elsewhere/a.py", "mine");
  std::filesystem::remove_all(before.partial + "/code");
  std::filesystem::create_symlink(before.directory / "elsewhere", before.partial + "/code");
  REQUIRE(run(real_file_system(), plan, before.settings).ok());
  check_whole(before.settings.out);
  CHECK(content_of(before.directory / "elsewhere/a.py") == "mine");
}

TEST_CASE("the bytes that stand in the plan are compared, whatever the checksum says") {
  Plan plan = small_plan();
  const Interrupted before(plan);
  const std::vector<std::string> texts = {std::string(100, 'z')};
  plan.literals = texts;
  Segment header;
  header.size = 100;
  plan.files[0].segments = {&header, 1};
  auto sink = DirectorySink::open(real_file_system(), plan, before.settings);
  REQUIRE(sink.ok());
  alignas(4096) static std::byte buffer[4096];
  const auto advance = [](std::uint64_t) { return Status(); };
  REQUIRE(sink.value()->check(0, buffer, advance).ok());
  REQUIRE(sink.value()->check(1, buffer, advance).ok());
  CHECK_FALSE(sink.value()->has(0));
  CHECK(sink.value()->has(1));
}

TEST_CASE("another plan is refused with both fingerprints, and replaced with restart") {
  const Plan other = small_plan("fedcba9876543210");
  for (const bool restart : {false, true}) {
    const Interrupted before(small_plan());
    DirectorySettings settings = before.settings;
    settings.restart = restart;
    const auto kept = run(real_file_system(), other, settings);
    CHECK(kept.ok() == restart);
    if (restart) {
      CHECK(kept.value() == 0);
      check_whole(settings.out);
      continue;
    }
    CHECK(kept.error().code == ErrorCode::usage);
    CHECK(kept.error().text().find("0123456789abcdef") != std::string::npos);
    CHECK(kept.error().text().find("fedcba9876543210") != std::string::npos);
    CHECK(kept.error().hint.find("--restart") != std::string::npos);
    CHECK(exists(before.partial + "/config.json"));
  }
}

TEST_CASE("a state that is damaged or lies is refused, and leads nowhere") {
  const Plan plan = small_plan();
  const std::string head =
      R"({"version": 1, "fingerprint": "0123456789abcdef", "pid": 1, "host": "h", )"
      R"("started": "t", )";
  const auto listing = [&](const std::string& name, const std::string& size) {
    return head + R"("files": [{"name": ")" + name + R"(", "size": )" + size +
           R"(, "crc32": "00000000"}]})";
  };
  const std::pair<const char*, std::string> rows[] = {
      {"empty", ""},
      {"cut", head},
      {"no JSON", std::string("\0\0\0\0", 4)},
      {"another version",
       R"({"version": 2, "fingerprint": "0123456789abcdef", "pid": 1, "host": "h", )"
       R"("started": "t", "files": []})"},
      {"a list", "[]"},
      {"huge", std::string(20u << 20, ' ')},
      {"deep", head + R"("files": )" + std::string(9, '[') + std::string(9, ']') + "}"},
      {"no files", head + R"("files": 7})"},
      {"a file without a name", head + R"("files": [{"size": 1, "crc32": "00000000"}]})"},
      {"a crooked checksum",
       head + R"("files": [{"name": "config.json", "size": 10000, "crc32": "xyz"}]})"},
      {"a path that leads out", listing("../../victim", "4")},
      {"a path that leads out from below", listing("code/../../../victim", "4")},
      {"an absolute path", listing("/etc/passwd", "4")},
      {"an unknown file", listing("other.bin", "10000")},
      {"a wrong size", listing("config.json", "9999")},
      {"a negative size", listing("config.json", "-1")},
      {"a file twice",
       head + R"("files": [{"name": "config.json", "size": 10000, "crc32": "00000000"},)"
              R"( {"name": "config.json", "size": 10000, "crc32": "00000000"}]})"},
      {"a crooked publication", head + R"("files": [], "publication": {"fresh": "1:x"}})"},
      {"a crooked token", head + R"("files": [], "token": "../../../victim"})"}};
  for (const auto& [name, text] : rows) {
    const std::string row = name;
    CAPTURE(row);
    const Interrupted before(plan);
    before.directory.write("victim", "mine");
    before.directory.write("out.partial/thaw-state.json", text);
    const auto refused = run(real_file_system(), plan, before.settings);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::usage);
    CHECK(refused.error().hint.find("--restart") != std::string::npos);
    CHECK(refused.error().text().size() < 2000);
    CHECK(content_of(before.directory / "victim") == "mine");
    DirectorySettings settings = before.settings;
    settings.restart = true;
    const auto kept = run(real_file_system(), plan, settings);
    REQUIRE(kept.ok());
    CHECK(kept.value() == 0);
    check_whole(settings.out);
    CHECK(content_of(before.directory / "victim") == "mine");
  }
}

TEST_CASE("a state that is a link is not followed") {
  const Plan plan = small_plan();
  const Interrupted before(plan);
  before.directory.write("state", content_of(before.state));
  std::filesystem::remove(before.state);
  std::filesystem::create_symlink(before.directory / "state", before.state);
  const auto refused = run(real_file_system(), plan, before.settings);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::usage);
  std::filesystem::create_directory_symlink(before.partial, before.directory / "link.partial");
  const auto link =
      run(real_file_system(), plan, DirectorySettings{.out = before.directory / "link"});
  REQUIRE_FALSE(link.ok());
  CHECK(link.error().code == ErrorCode::usage);
}

TEST_CASE("the second of two runs says who the first is") {
  const TemporaryDirectory directory;
  const Plan plan = small_plan();
  const DirectorySettings settings{.out = directory / "out"};
  auto first = DirectorySink::open(real_file_system(), plan, settings);
  REQUIRE(first.ok());
  const auto second = DirectorySink::open(real_file_system(), plan, settings);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == ErrorCode::locked);
  const std::string text = second.error().text();
  CHECK(text.find("process " + std::to_string(::getpid()) + " on ") != std::string::npos);
  CHECK(text.find(", since 20") != std::string::npos);
  first.value()->abandon(Sink::Keep::nothing);
}

TEST_CASE("a file of the input that has a name of ours is refused") {
  const TemporaryDirectory directory;
  for (const char* name : {"thaw-state.json", "thaw-state.json.new", "thaw-state.aside",
                           ".thaw-0123456789abcdef.new", "model.bin.unfinished"}) {
    Plan plan = small_plan();
    plan.files[1].name = name;
    const auto refused = run(real_file_system(), plan, {.out = directory / "out"});
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::input);
    CHECK_FALSE(exists(directory / "out.partial"));
  }
}

TEST_CASE("a crash at every call of replacing with a backup loses neither the old nor the new") {
  const Plan plan = small_plan();
  for (const bool keep : {false, true}) {
    std::uint64_t calls = 1000;
    for (std::uint64_t n = 1; n <= calls; ++n) {
      CAPTURE(keep);
      CAPTURE(n);
      const TemporaryDirectory directory(TemporaryDirectory::Place::memory);
      directory.write("out/config.json", "old");
      const DirectorySettings settings{
          .out = directory / "out", .replace = true, .keep_backup = keep};
      const auto is_old = [&](const char* name) {
        return content_of(directory / (std::string(name) + "/config.json")) == "old";
      };
      FaultyFileSystem dying;
      dying.skip_disk = true;
      dying.fault = {.call = Call::any, .at = n, .error = EIO, .dies = true};
      const bool succeeded = run(dying, plan, settings).ok();
      if (!dying.faulted()) calls = n;
      const bool exchanged = !is_old("out");
      if (exchanged) check_whole(settings.out);
      if (keep) {
        int kept = 0;
        for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
          kept += content_of(entry.path().string() + "/config.json") == "old" ? 1 : 0;
        CHECK(kept == 1);
      }
      FaultyFileSystem sound;
      sound.skip_disk = true;
      const auto again = run(sound, plan, settings);
      check_whole(settings.out);
      CHECK_FALSE(exists(directory / "out.partial"));
      if (keep) {
        // Once the old one is on its way to its backup name, there is no room for another.
        CHECK(again.ok() == !exchanged);
        CHECK(is_old("out.backup"));
      } else {
        CHECK((again.ok() || succeeded));
        CHECK_FALSE(exists(directory / "out.backup"));
      }
      CHECK_FALSE(exists(directory / "out.partial-state.json"));
    }
  }
}

// The call that gives the old directory the name it waits under, and those after it.
std::uint64_t calls_of(Call call, const Plan& plan, const DirectorySettings& like) {
  const TemporaryDirectory other;
  other.write("out/config.json", "old");
  DirectorySettings there = like;
  there.out = other / "out";
  FaultyFileSystem counting;
  REQUIRE(run(counting, plan, there).ok());
  return counting.count(call);
}

TEST_CASE("what was exchanged out gets its backup name, whichever command comes next") {
  const Plan plan = small_plan();
  for (const std::uint64_t before_last : {0u, 1u}) {
    const TemporaryDirectory directory;
    directory.write("out/config.json", "old");
    const DirectorySettings settings{
        .out = directory / "out", .replace = true, .keep_backup = true};
    FaultyFileSystem dying;
    dying.fault = {.call = Call::rename,
                   .at = calls_of(Call::rename, plan, settings) - before_last,
                   .error = EIO,
                   .dies = true};
    CHECK_FALSE(run(dying, plan, settings).ok());
    check_whole(settings.out);
    REQUIRE(
        run(real_file_system(), plan, {.out = directory / "out", .replace = true, .restart = true})
            .ok());
    CHECK(content_of(directory / "out.backup/config.json") == "old");
    check_whole(settings.out);
  }
}

TEST_CASE("a directory that took the place of ours meanwhile is left alone") {
  const Plan plan = small_plan();
  const TemporaryDirectory directory;
  FaultyFileSystem dying;
  {
    const TemporaryDirectory other;
    FaultyFileSystem counting;
    REQUIRE(run(counting, plan, {.out = other / "out"}).ok());
    dying.fault = {
        .call = Call::rename, .at = counting.count(Call::rename), .error = EIO, .dies = true};
  }
  CHECK_FALSE(run(dying, plan, {.out = directory / "out"}).ok());
  std::filesystem::rename(directory / "out.partial", directory / "moved");
  directory.write("out.partial/thesis.txt", "years of work");
  const auto refused = run(real_file_system(), plan, {.out = directory / "out", .restart = true});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::usage);
  CHECK(content_of(directory / "out.partial/thesis.txt") == "years of work");
  // Back at its place it is whole: the run that died had only the rename left to do.
  std::filesystem::remove_all(directory / "out.partial");
  std::filesystem::rename(directory / "moved", directory / "out.partial");
  const auto kept = run(real_file_system(), plan, {.out = directory / "out"});
  REQUIRE(kept.ok());
  CHECK(kept.value() == 3);
  check_whole(directory / "out");
}

}  // namespace
}  // namespace thaw
