// specs/output.md clause 6.8, specs/safety.md clause 11: modes, links that are planted at any
// moment, and what a killed run says to the next one.
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

mode_t mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::lstat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

TEST_CASE("what replaces something private is private, and what is new is as the umask says") {
  for (const int exchange_error : {0, EINVAL}) {
    const OldOutput place;
    ::chmod((place.out + "/config.json").c_str(), 0600);
    ::chmod((place.out + "/code/old.py").c_str(), 0640);
    ::chmod((place.out + "/code").c_str(), 0750);
    ::chmod(place.out.c_str(), 0700);
    Quick file_system;
    file_system.exchange_error = exchange_error;
    mode_t meanwhile = 0;
    REQUIRE(run(file_system, place.settings, [&] {
              meanwhile = mode_of(place.out + ".partial");
            }).ok());
    CHECK((meanwhile & 0077) == 0);
    CHECK(mode_of(place.out) == 0700);
    CHECK(mode_of(place.out + "/config.json") == 0600);
    CHECK(mode_of(place.out + "/code") == 0750);
    CHECK((mode_of(place.out + "/code/a.py") & 0037) == 0);  // nothing of that name was there
  }
  const OldOutput place(false);
  const mode_t mask = ::umask(022);
  Quick file_system;
  REQUIRE(run(file_system, place.settings).ok());
  ::umask(mask);
  CHECK(mode_of(place.out) == 0755);
  CHECK(mode_of(place.out + "/config.json") == 0644);
}

// Before one of the calls somebody who may rename in the folder of OUT puts a link to a directory
// of this user at OUT.partial, or in it, with the calls of the system itself.
class Intruder final : public FaultyFileSystem {
 public:
  std::uint64_t at = 0;
  std::uint64_t calls = 0;
  std::function<void()> plant;
  Intruder() { skip_disk = true; }

  int open_at(int directory, const char* name, int flags, mode_t mode) override {
    return now().open_at(directory, name, flags & ~O_DIRECT, mode);
  }
  int stat_at(int directory, const char* name, struct stat* out) override {
    return now().stat_at(directory, name, out);
  }
  int mkdir_at(int directory, const char* name, mode_t mode) override {
    return now().mkdir_at(directory, name, mode);
  }
  int unlink_at(int directory, const char* name) override {
    return now().unlink_at(directory, name);
  }
  int rmdir_at(int directory, const char* name) override { return now().rmdir_at(directory, name); }
  int rename_at(int from, const char* name, int to, const char* new_name) override {
    return now().rename_at(from, name, to, new_name);
  }
  int exchange_at(int directory, const char* a, const char* b) override {
    return now().exchange_at(directory, a, b);
  }

 private:
  FileSystem& now() {
    if (++calls == at) plant();
    return real_file_system();
  }
};

TEST_CASE("links that are planted at any moment lead nowhere") {
  const Tree mine = {{"code", "/"}, {"code/a.py", "mine"}, {"config.json", "mine"}};
  for (const bool inside : {false, true}) {
    std::uint64_t last = 1000;
    for (std::uint64_t n = 1; n <= last; ++n) {
      CAPTURE(inside);
      CAPTURE(n);
      const OldOutput place;
      place.directory.write("victim/config.json", "mine");
      place.directory.write("victim/code/a.py", "mine");
      const std::string victim = place.directory / "victim";
      Intruder intruder;
      intruder.at = n;
      intruder.plant = [&] {
        std::error_code ignored;
        const std::string target = place.out + (inside ? ".partial/code" : ".partial");
        fs::rename(target, place.work + "/taken", ignored);
        fs::create_directory_symlink(victim + (inside ? "/code" : ""), target, ignored);
      };
      static_cast<void>(run(intruder, place.settings).ok());
      if (intruder.calls < n) last = n;
      CHECK(tree_of(victim) == mine);
    }
    CHECK(last < 1000);
  }
}

TEST_CASE("a run that was killed after it had replaced something says so to the next one") {
  const OldOutput place;
  DirectorySettings settings = place.settings;
  settings.keep_backup = true;
  settings.purpose = "this model";
  std::uint64_t seen = 0;
  for (std::uint64_t n = 1, calls = 1000; n <= calls; ++n) {
    const OldOutput here;
    settings.out = here.out;
    Quick dying;
    dying.fault = {.call = Call::any, .at = n, .error = EIO, .dies = true};
    const bool done = run(dying, settings).ok();
    if (!dying.faulted()) calls = n;
    const auto left = look_at_leavings(real_file_system(), here.out);
    REQUIRE(left.ok());
    const bool published = tree_of(here.out) == kNew;
    CHECK((!left.value().replaced || published));
    if (published && !done && exists(here.out + ".partial-state.json")) {
      CHECK(left.value().replaced);
      CHECK(left.value().purpose == "this model");
      ++seen;
      REQUIRE(tidy_published(real_file_system(), here.out).ok());
      CHECK(names_in(here.work) == "beside out out.backup ");
    }
  }
  CHECK(seen > 2);
}

}  // namespace
}  // namespace thaw
