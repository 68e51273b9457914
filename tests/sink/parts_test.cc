// specs/parts.md clauses 3 and 4: several runs make one output, and none of them harms another.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "io/directory.h"
#include "sink/directory_sink.h"
#include "sink/part_files.h"
#include "support/faulty_file_system.h"
#include "support/temporary_directory.h"
#include "support/tree.h"

namespace thaw {
namespace {

using testing::Call;
using testing::content_of;
using testing::FaultyFileSystem;
using testing::names_in;
using testing::TemporaryDirectory;
using testing::tree_of;

constexpr std::size_t kSize = 5000;

// Of three parts: 1 has config.json, code/a.py and c.bin, 2 has a.bin and d.bin, 3 has b.bin.
Plan small_plan(const std::string& fingerprint = "0123456789abcdef") {
  Plan plan;
  plan.fingerprint = fingerprint;
  for (const char* name : {"config.json", "code/a.py", "a.bin", "b.bin", "c.bin", "d.bin"}) {
    PlannedFile file;
    file.name = name;
    file.tensors = file.name.ends_with(".bin") ? 1 : 0;
    file.size = file.tensors != 0 ? 2 * kSize : kSize / 2;
    plan.bytes += file.size;
    plan.files.push_back(std::move(file));
  }
  return plan;
}

std::string content(const PlannedFile& file) { return std::string(file.size, file.name[0]); }

Status write_file(Sink& sink, const PlannedFiles& plan, std::uint32_t file) {
  const std::string bytes = content(plan.files[file]);
  return sink.write(file, 0, std::as_bytes(std::span(bytes)));
}

// As fill_sink() does it. How many files were kept.
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
    if (!sink->has(i)) THAW_RETURN_IF_ERROR(write_file(*sink, plan, i));
  }
  THAW_RETURN_IF_ERROR(sink->finish());
  return kept;
}

struct Place {
  TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  std::string out = directory / "out";
  std::string partial = directory / "out.partial";

  [[nodiscard]] DirectorySettings part(unsigned index, unsigned count = 3) const {
    return {.out = out, .part = Part{.index = index, .count = count}};
  }
  Result<std::uint64_t> make(unsigned index, bool restart = false,
                             FileSystem& file_system = real_file_system()) const {
    const Plan whole = small_plan();
    const PlannedFiles plan = files_of_part(whole, {.index = index, .count = 3});
    DirectorySettings settings = part(index);
    settings.restart = restart;
    return run(file_system, plan, settings);
  }
  Result<std::uint64_t> finish(FileSystem& file_system = real_file_system(),
                               bool replace = false) const {
    return run(file_system, small_plan(), {.out = out, .replace = replace, .finish_parts = true});
  }
  void check_whole() const {
    std::map<std::string, std::string> expected = {{"code", "/"}};
    const Plan plan = small_plan();
    for (const PlannedFile& file : plan.files) expected[file.name] = content(file);
    CHECK(tree_of(out) == expected);
    CHECK(names_in(directory / "") == "out ");
  }
};

ErrorCode code_of(const Result<std::uint64_t>& result) {
  return result.ok() ? ErrorCode::bug : result.error().code;
}

TEST_CASE("parts in any order give the output, which appears with the last step") {
  for (const std::vector<unsigned>& order :
       {std::vector<unsigned>{1, 2, 3}, {3, 1, 2}, {2, 3, 1}}) {
    const Place place;
    for (const unsigned part : order) {
      const auto early = place.finish();
      REQUIRE_FALSE(early.ok());
      CHECK(early.error().code == ErrorCode::usage);
      CHECK_FALSE(exists(place.out));
      const auto made = place.make(part);
      REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().text()));
      CHECK(made.value() == 0);
    }
    CHECK(names_in(place.directory / "") == "out.partial ");
    const auto kept = place.finish();
    REQUIRE_MESSAGE(kept.ok(), (kept.ok() ? "" : kept.error().text()));
    CHECK(kept.value() == 6);
    place.check_whole();
  }
}

TEST_CASE("the last step names the parts that are missing") {
  const Place place;
  REQUIRE(place.make(2).ok());
  const auto refused = place.finish();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().text().find("parts 1 and 3 of 3 are not finished") != std::string::npos);
  CHECK(exists(place.partial + "/a.bin"));
}

TEST_CASE("a finished part is not read again, an interrupted one is checked") {
  const Place place;
  REQUIRE(place.make(2).ok());
  CHECK(place.make(2).value() == 2);
  {
    const Plan whole = small_plan();
    const PlannedFiles plan = files_of_part(whole, {.index = 1, .count = 3});
    auto sink = DirectorySink::open(real_file_system(), plan, place.part(1));
    REQUIRE(sink.ok());
    REQUIRE(write_file(*sink.value(), plan, 0).ok());
    REQUIRE(write_file(*sink.value(), plan, 1).ok());
    const std::string half(kSize, 'c');
    REQUIRE(sink.value()->write(2, 0, std::as_bytes(std::span(half))).ok());
  }
  CHECK(exists(place.partial + "/c.bin.unfinished"));
  place.directory.write("out.partial/config.json", std::string(kSize / 2, 'x'));
  CHECK(place.make(1).value() == 1);
  CHECK(place.make(3).ok());
  REQUIRE(place.finish().ok());
  place.check_whole();
}

TEST_CASE("a part that is at work keeps out its twin, the last step, a whole run and a restart") {
  const Place place;
  const Plan whole = small_plan();
  const PlannedFiles plan = files_of_part(whole, {.index = 1, .count = 3});
  {
    const auto sink = DirectorySink::open(real_file_system(), plan, place.part(1));
    REQUIRE(sink.ok());
    const auto twin = DirectorySink::open(real_file_system(), plan, place.part(1));
    REQUIRE_FALSE(twin.ok());
    CHECK(twin.error().code == ErrorCode::locked);
    CHECK(twin.error().text().find("part 1 of 3") != std::string::npos);
    CHECK(code_of(place.finish()) == ErrorCode::locked);
    CHECK(code_of(run(real_file_system(), small_plan(), {.out = place.out})) == ErrorCode::locked);
    CHECK(code_of(run(real_file_system(), small_plan(), {.out = place.out, .restart = true})) ==
          ErrorCode::locked);
    // Another plan may not clear what lives.
    const Plan other_plan = small_plan("fedcba9876543210");
    const PlannedFiles other = files_of_part(other_plan, {.index = 2, .count = 3});
    DirectorySettings settings = place.part(2);
    settings.restart = true;
    CHECK(code_of(run(real_file_system(), other, settings)) == ErrorCode::locked);
    // Another part may work.
    CHECK(place.make(2).ok());
  }
  CHECK(exists(place.partial + "/a.bin"));
}

TEST_CASE("a whole run keeps parts out, and neither takes the other's leavings") {
  const Place place;
  const Plan plan = small_plan();
  {
    const auto whole = DirectorySink::open(real_file_system(), plan, {.out = place.out});
    REQUIRE(whole.ok());
    REQUIRE(write_file(*whole.value(), plan, 0).ok());
    CHECK(code_of(place.make(1)) == ErrorCode::locked);
    CHECK(code_of(place.make(1, true)) == ErrorCode::locked);
    CHECK(code_of(place.finish()) == ErrorCode::locked);
  }
  CHECK(code_of(place.make(1)) == ErrorCode::usage);
  CHECK(code_of(place.finish()) == ErrorCode::usage);
  CHECK(exists(place.partial + "/config.json"));
  CHECK(place.make(1, true).ok());
  CHECK(code_of(run(real_file_system(), plan, {.out = place.out})) == ErrorCode::usage);
  CHECK(run(real_file_system(), plan, {.out = place.out, .restart = true}).ok());
  place.check_whole();
}

TEST_CASE("another number of parts and another plan are refused with both named") {
  const Place place;
  REQUIRE(place.make(2).ok());
  {
    const Plan whole = small_plan();
    const PlannedFiles plan = files_of_part(whole, {.index = 1, .count = 4});
    const auto refused = run(real_file_system(), plan, place.part(1, 4));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::usage);
    CHECK(refused.error().text().find("3 parts") != std::string::npos);
    CHECK(refused.error().text().find("4 parts") != std::string::npos);
  }
  const Plan whole = small_plan("fedcba9876543210");
  const PlannedFiles plan = files_of_part(whole, {.index = 1, .count = 3});
  const auto refused = run(real_file_system(), plan, place.part(1));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::usage);
  CHECK(refused.error().text().find("0123456789abcdef") != std::string::npos);
  CHECK(refused.error().text().find("fedcba9876543210") != std::string::npos);
  CHECK(exists(place.partial + "/a.bin"));
  // To start over removes it, because it is another plan's.
  DirectorySettings settings = place.part(1);
  settings.restart = true;
  CHECK(run(real_file_system(), plan, settings).ok());
  CHECK_FALSE(exists(place.partial + "/a.bin"));
}

TEST_CASE("to start over with one part leaves the others of the same plan alone") {
  const Place place;
  REQUIRE(place.make(1).ok());
  REQUIRE(place.make(2).ok());
  CHECK(place.make(1, true).value() == 0);
  CHECK(place.make(2).value() == 2);
  CHECK(place.make(3, true).ok());
  CHECK(place.finish().value() == 6);
  place.check_whole();
}

TEST_CASE("a finished file that was damaged is made anew by the last step") {
  const Place place;
  for (const unsigned part : {1u, 2u, 3u}) REQUIRE(place.make(part).ok());
  place.directory.write("out.partial/a.bin", std::string(2 * kSize, 'x'));
  std::filesystem::remove(place.partial + "/b.bin");
  CHECK(place.finish().value() == 4);
  place.check_whole();
}

TEST_CASE("states of parts that lie are refused, and lead nowhere") {
  const auto state = [](const std::string& rest) {
    return R"({"version": 1, "fingerprint": "0123456789abcdef", "pid": 1, "host": "h", )"
           R"("started": "t", )" +
           rest + "}";
  };
  const auto listing = [&](const std::string& name, const std::string& size) {
    return state(R"("parts": 3, "complete": true, "files": [{"name": ")" + name + R"(", "size": )" +
                 size + R"(, "crc32": "00000000"}])");
  };
  const std::pair<const char*, std::string> rows[] = {
      {"empty", ""},
      {"no JSON", "\x1b[31m"},
      {"a crooked number of parts", state(R"("parts": -3, "complete": true, "files": [])")},
      {"many parts", state(R"("parts": 99999999999, "complete": true, "files": [])")},
      {"complete is no flag", state(R"("parts": 3, "complete": 7, "files": [])")},
      {"a path that leads out", listing("../../victim", "4")},
      {"an absolute path", listing("/etc/passwd", "4")},
      {"a wrong size", listing("b.bin", "4")},
      {"a file of another part", listing("a.bin", "10000")},
      {"huge", std::string(20u << 20, ' ')}};
  for (const auto& [name, text] : rows) {
    const std::string row = name;
    CAPTURE(row);
    const Place place;
    place.directory.write("victim", "mine");
    REQUIRE(place.make(1).ok());
    REQUIRE(place.make(2).ok());
    place.directory.write("out.partial/thaw-state.part-3-of-3.json", text);
    const auto refused = place.finish();
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::usage);
    CHECK(refused.error().hint.find("--restart") != std::string::npos);
    CHECK(refused.error().text().size() < 2000);
    CHECK(code_of(place.make(3)) == ErrorCode::usage);
    // The part itself starts over; the work of the others stays.
    REQUIRE(place.make(3, true).ok());
    CHECK(place.finish().value() == 6);
    CHECK(content_of(place.directory / "victim") == "mine");
  }
}

TEST_CASE("a complete state without the files is no complete part") {
  const Place place;
  for (const unsigned part : {1u, 2u, 3u}) REQUIRE(place.make(part).ok());
  std::filesystem::remove(place.partial + "/b.bin");
  CHECK(place.make(3).value() == 0);
  std::filesystem::remove(place.partial + "/b.bin");
  std::filesystem::create_symlink("a.bin", place.partial + "/b.bin");
  CHECK(place.make(3).value() == 0);
  CHECK(place.finish().value() == 6);
  place.check_whole();
}

TEST_CASE("somebody's directory is refused, and names that are no part's are not read") {
  const Place place;
  place.directory.write("out.partial/mine.txt", "mine");
  place.directory.write("out.partial/thaw-state.part-9-of-3.json", "{}");
  place.directory.write("out.partial/thaw-state.part-01-of-3.json", "{}");
  CHECK(code_of(place.make(1)) == ErrorCode::usage);
  CHECK(code_of(place.make(1, true)) == ErrorCode::usage);
  CHECK(code_of(place.finish()) == ErrorCode::usage);
  CHECK(content_of(place.partial + "/mine.txt") == "mine");
  const Place nowhere;
  CHECK(code_of(nowhere.finish()) == ErrorCode::usage);
  CHECK(names_in(nowhere.directory / "") == "");
}

TEST_CASE("a file of the input that has the name of a part's state is refused") {
  const Place place;
  for (const Part part : {Part{1, 3}, Part{10000, 10000}}) {
    for (const std::string& name : {part_state_name(part), part_lock_name(part)}) {
      Plan plan = small_plan();
      plan.files[1].name = name;
      CHECK(code_of(run(real_file_system(), plan, {.out = place.out})) == ErrorCode::input);
    }
  }
}

TEST_CASE("a part that cannot go on removes its own work only") {
  const Place place;
  REQUIRE(place.make(2).ok());
  const Plan whole = small_plan();
  const PlannedFiles plan = files_of_part(whole, {.index = 1, .count = 3});
  auto sink = DirectorySink::open(real_file_system(), plan, place.part(1));
  REQUIRE(sink.ok());
  REQUIRE(write_file(*sink.value(), plan, 0).ok());
  sink.value()->abandon(Sink::Keep::nothing);
  sink.value().reset();
  CHECK(names_in(place.partial) ==
        "a.bin d.bin thaw-state.part-2-of-3.json thaw-state.part-2-of-3.lock ");
}

// The calls of one part, then those of the last step, each of them failing once.
TEST_CASE("a crash at every call of a part and of the last step loses nothing") {
  for (const bool last : {false, true}) {
    for (const bool replace : {false, true}) {
      std::uint64_t calls = 1000;
      for (std::uint64_t n = 1; n <= calls; ++n) {
        CAPTURE(last);
        CAPTURE(replace);
        CAPTURE(n);
        const Place place;
        if (replace) place.directory.write("out/config.json", "old");
        REQUIRE(place.make(1).ok());
        REQUIRE(place.make(2).ok());
        if (last) REQUIRE(place.make(3).ok());
        FaultyFileSystem dying;
        dying.skip_disk = true;
        dying.fault = {.call = Call::any, .at = n, .error = EIO, .dies = true};
        const bool succeeded =
            last ? place.finish(dying, replace).ok() : place.make(3, false, dying).ok();
        if (!dying.faulted()) calls = n;
        const bool published = exists(place.out + "/a.bin");
        if (succeeded) CHECK(published == last);
        if (!published) {
          CHECK((!replace || exists(place.out + "/config.json") ||
                 names_in(place.directory / "").find("out.partial-old-") != std::string::npos));
        }
        FaultyFileSystem sound;
        sound.skip_disk = true;
        if (published) {
          // What is left beside is a mark, the lock, or the old one.
          CHECK(code_of(place.finish(sound, replace)) == ErrorCode::usage);
          std::filesystem::remove(place.directory / "out.partial-lock");
        } else {
          const auto again = place.make(3, false, sound);
          REQUIRE_MESSAGE(again.ok(), (again.ok() ? "" : again.error().text()));
          const auto kept = place.finish(sound, replace);
          REQUIRE_MESSAGE(kept.ok(), (kept.ok() ? "" : kept.error().text()));
          CHECK(kept.value() == 6);
        }
        place.check_whole();
      }
      CHECK(calls < 1000);
    }
  }
}

}  // namespace
}  // namespace thaw
