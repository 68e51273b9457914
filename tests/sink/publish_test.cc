// specs/output.md clause 6, specs/safety.md clause 11: what others put at the names that thaw uses,
// and file systems that cannot do all.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "io/directory.h"
#include "sink/directory_sink.h"
#include "sink/publication.h"
#include "sink/published_place.h"
#include "support/temporary_directory.h"
#include "support/tree.h"

namespace thaw {
namespace {

namespace fs = std::filesystem;
using namespace testing;  // NOLINT(google-build-using-namespace)

TEST_CASE("what is put at OUT, or into it, while a run works is never removed") {
  struct Row {
    const char* name;
    bool old;
    void (*put)(const OldOutput&);
  };
  const Row rows[] = {
      {"a directory where nothing was", false,
       [](const OldOutput& place) { place.directory.write("work/out/thesis.tex", "mine"); }},
      {"a file in the old one", true,
       [](const OldOutput& place) { place.directory.write("work/out/thesis.tex", "mine"); }},
      {"a file deep in the old one", true,
       [](const OldOutput& place) { place.directory.write("work/out/code/thesis.tex", "mine"); }},
      {"other content", true,
       [](const OldOutput& place) { place.directory.write("work/out/config.json", "mine!"); }},
      {"another directory", true,
       [](const OldOutput& place) {
         fs::rename(place.out, place.work + "/moved");
         place.directory.write("work/out/thesis.tex", "mine");
       }},
      {"a link", true, [](const OldOutput& place) {
         fs::rename(place.out, place.work + "/moved");
         fs::create_directory_symlink("moved", place.out);
       }}};
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    const OldOutput place(row.old);
    Quick file_system;
    Tree there;
    const Status status = run(file_system, place.settings, [&] {
      row.put(place);
      there = tree_of(place.work);
    });
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().code == ErrorCode::io);
    CHECK(status.error().text().find("while this run worked") != std::string::npos);
    const Tree after = tree_of(place.work);
    for (const auto& entry : there) {
      const std::string& name = entry.first;
      if (name.find("thaw-state") == std::string::npos) CHECK_MESSAGE(after.count(name) == 1, name);
    }
    // It is not lost: the same command judges what stands there now, and goes on.
    CHECK(exists(place.out + ".partial/thaw-state.json"));
    if (is_link(place.out)) continue;
    REQUIRE(run(file_system, place.settings).ok());
    CHECK(tree_of(place.out) == kNew);
  }
}

TEST_CASE("what the caller judged is what is replaced, and nothing else") {
  const OldOutput place;
  DirectorySettings settings = place.settings;
  settings.found = Likeness::at(real_file_system(), place.out).value();
  place.directory.write("work/out/late.txt", "mine");
  Quick file_system;
  const Status status = run(file_system, settings);
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::io);
  CHECK(status.error().text().find("late.txt") != std::string::npos);
  CHECK(content_of(place.out + "/late.txt") == "mine");
}

// Something is written into the old directory right after it was exchanged.
TEST_CASE("what comes into the old directory at the last moment is kept beside, and named") {
  class Late final : public FaultyFileSystem {
   public:
    explicit Late(std::string place) : place_(std::move(place)) { skip_disk = true; }
    int exchange(const char* a, const char* b) override {
      const int result = FaultyFileSystem::exchange(a, b);
      if (exists(place_ + ".partial/config.json")) {
        std::ofstream(place_ + ".partial/late.txt") << "mine";
      }
      return result;
    }

   private:
    std::string place_;
  };
  const OldOutput place;
  Late file_system(place.out);
  const Status status = run(file_system, place.settings);
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::io);
  CHECK(tree_of(place.out) == kNew);
  bool kept = false;
  for (const auto& entry : fs::directory_iterator(place.work)) {
    const std::string path = entry.path().string();
    if (path.find("out.partial-old-") == std::string::npos) continue;
    kept = content_of(path + "/late.txt") == "mine" && content_of(path + "/config.json") == "old";
    CHECK(status.error().text().find(path) != std::string::npos);
  }
  CHECK(kept);
  CHECK_FALSE(exists(place.out + ".partial-state.json"));
}

TEST_CASE("what belongs to another user is refused, with whose it is, and is not touched") {
  for (const char* name : {"out.partial", "out.partial-state.json", "out.partial-lock",
                           "out.partial/thaw-state.json"}) {
    CAPTURE(std::string(name));
    const OldOutput place;
    if (std::string(name).ends_with("partial")) {
      fs::create_directory(place.out + ".partial");
    } else {
      place.directory.write("work/" + std::string(name), "{}");
    }
    const Tree before = tree_of(place.work);
    for (const bool restart : {false, true}) {
      Quick file_system;
      file_system.change_stat = [&](const std::string& path, struct stat& info) {
        if (path == place.work + "/" + name) info.st_uid = 54321;
      };
      DirectorySettings settings = place.settings;
      settings.restart = restart;
      const Status status = run(file_system, settings);
      REQUIRE_FALSE(status.ok());
      CHECK(status.error().code == ErrorCode::usage);
      CHECK(status.error().text().find("belongs to user 54321") != std::string::npos);
      CHECK_FALSE(status.error().hint.empty());
      CHECK(tree_of(place.work) == before);
    }
  }
}

TEST_CASE("a finished file of another user, or with a second name, is made anew") {
  for (const bool second_name : {false, true}) {
    const OldOutput place(false);
    {
      Quick dying;
      dying.fault = {.call = Call::rename, .at = 6, .error = EIO, .dies = true};
      CHECK_FALSE(run(dying, place.settings).ok());
    }
    REQUIRE(exists(place.out + ".partial/config.json"));
    if (second_name) {
      fs::create_hard_link(place.out + ".partial/config.json", place.work + "/other");
    }
    Quick file_system;
    file_system.change_stat = [&](const std::string& path, struct stat& info) {
      if (!second_name && path == place.out + ".partial/config.json") info.st_uid = 54321;
    };
    const ino_t before = [&] {
      struct stat info {};
      ::stat((place.out + ".partial/config.json").c_str(), &info);
      return info.st_ino;
    }();
    CHECK(run(file_system, place.settings).ok());
    struct stat info {};
    REQUIRE(::stat((place.out + "/config.json").c_str(), &info) == 0);
    CHECK((info.st_ino != before || !second_name));
    CHECK(info.st_nlink == 1);
    CHECK(tree_of(place.out) == kNew);
  }
}

TEST_CASE("where all files belong to one user, that one is this one") {
  const OldOutput place;
  for (int i = 0; i < 2; ++i) {
    Quick file_system;
    file_system.change_stat = [](const std::string&, struct stat& info) { info.st_uid = 65534; };
    file_system.fault = {.call = Call::rename, .at = i == 0 ? 4u : 0u, .error = EIO, .dies = true};
    const Status status = run(file_system, place.settings);
    CHECK_MESSAGE(status.ok() == (i == 1), (status.ok() ? "" : status.error().text()));
  }
  CHECK(tree_of(place.out) == kNew);
}

// Every crash of a replacement, with and without exchange, with a device number that changes before
// the next run: OUT is the old or the new one, or, without exchange, waits beside for the next run.
TEST_CASE("a crash at every call of replacing is repaired by the next run, whatever the device") {
  for (const int exchange_error : {0, EINVAL, ENOSYS}) {
    for (const bool keep : {false, true}) {
      std::uint64_t calls = 1000;
      for (std::uint64_t n = 1; n <= calls; ++n) {
        CAPTURE(exchange_error);
        CAPTURE(keep);
        CAPTURE(n);
        const OldOutput place;
        DirectorySettings settings = place.settings;
        settings.keep_backup = keep;
        Quick dying;
        dying.exchange_error = exchange_error;
        dying.fault = {.call = Call::any, .at = n, .error = EIO, .dies = true};
        const bool succeeded = run(dying, settings).ok();
        if (!dying.faulted()) calls = n;
        const bool there = exists(place.out);
        CHECK((there || exchange_error != 0));
        const bool published = there && tree_of(place.out) == kNew;
        CHECK((published || !there || tree_of(place.out) == kOld));
        CHECK((published || !succeeded));
        Quick later;
        later.exchange_error = exchange_error;
        later.change_stat = [](const std::string&, struct stat& info) { info.st_dev += 7; };
        const Status again = run(later, settings);
        CHECK(tree_of(place.out) == kNew);
        CHECK_MESSAGE(again.ok() == (!keep || !published),
                      (again.ok() ? "" : again.error().text()));
        CHECK(names_in(place.work) == (keep ? "beside out out.backup " : "beside out "));
        if (keep) CHECK(tree_of(place.out + ".backup") == kOld);
      }
      CHECK(calls < 1000);
    }
  }
}

TEST_CASE("every call that fails once while replacing leaves the old one or the new one") {
  for (const int exchange_error : {0, EINVAL}) {
    std::uint64_t calls = 1000;
    for (std::uint64_t n = 1; n <= calls; ++n) {
      CAPTURE(exchange_error);
      CAPTURE(n);
      const OldOutput place;
      Quick failing;
      failing.exchange_error = exchange_error;
      failing.fault = {.call = Call::any, .at = n, .error = EIO};
      static_cast<void>(run(failing, place.settings).ok());
      if (!failing.faulted()) calls = n;
      Quick later;
      const Status again = run(later, place.settings);
      CHECK_MESSAGE(again.ok(), (again.ok() ? "" : again.error().text()));
      CHECK(tree_of(place.out) == kNew);
      CHECK(names_in(place.work) == "beside out ");
    }
    CHECK(calls < 1000);
  }
}

TEST_CASE("what the file system cannot move is refused before the first byte") {
  class Overlay final : public FaultyFileSystem {
   public:
    int rename(const char* from, const char* to) override {
      if (!std::string(from).ends_with("/out")) return FaultyFileSystem::rename(from, to);
      errno = EXDEV;
      return -1;
    }
  };
  const OldOutput place;
  Overlay file_system;
  bool wrote = false;
  const Status status = run(file_system, place.settings, [&] { wrote = true; });
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::usage);
  CHECK(status.error().text().find("overlay") != std::string::npos);
  CHECK_FALSE(wrote);
  CHECK(tree_of(place.out) == kOld);
}

}  // namespace
}  // namespace thaw
