// specs/output.md clauses 6 and 7: a call to the system that fails, a crash and a power loss, each
// at every moment of a conversion. Nothing appears at OUT that is not whole, nothing that stood
// there is lost, and the same command again ends as an undisturbed run does.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <system_error>

#include "convert/convert.h"
#include "io/directory.h"
#include "support/faulty_file_system.h"
#include "support/places.h"
#include "support/power_loss.h"
#include "support/temporary_directory.h"
#include "support/tree.h"

namespace thaw {
namespace {

using testing::Call;
using testing::FaultyFileSystem;
using testing::names_in;
using testing::PowerLossFileSystem;
using testing::TemporaryDirectory;
using testing::tree_of;
using Tree = std::map<std::string, std::string>;

class Quiet final : public Observer {
 public:
  void on_progress(const Progress& /*progress*/) override {}
};

// A few shards of a small fixture, and what stands at OUT with `force`.
struct Conversion {
  explicit Conversion(bool force) {
    options.model = std::string(THAW_TEST_DATA) + "/qwen2-awq-marlin/model/model.safetensors";
    options.out = directory / "work/out";
    options.max_shard_size = 400'000;
    options.threads = 2;
    options.memory = 64'000'000;
    options.checksums = true;
    options.force = force;
    directory.write("work/other.txt", "beside");
    if (force) put_old();
  }
  void put_old() const {
    directory.write("work/out/config.json", "old");
    directory.write("work/out/folder/old.txt", "older");
  }
  Result<ConvertReport> run(FileSystem& file_system) const {
    Quiet observer;
    StopFlag stop;
    return convert(options, observer, stop, file_system);
  }
  Result<ConvertReport> run_soundly() const {
    FaultyFileSystem sound;
    sound.skip_disk = true;
    return run(sound);
  }
  [[nodiscard]] Tree out() const { return exists(options.out) ? tree_of(options.out) : Tree(); }

  TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  ConvertOptions options;
};

const Tree& undisturbed() {
  static const Tree tree = [] {
    const Conversion conversion(false);
    REQUIRE(conversion.run_soundly().ok());
    return conversion.out();
  }();
  return tree;
}

const Tree kOld = {{"config.json", "old"}, {"folder", "/"}, {"folder/old.txt", "older"}};

// After a run that ended anyhow: OUT is as it was or whole, and one more run makes all right.
void check_aftermath(const Conversion& conversion, bool succeeded) {
  const Tree before = conversion.options.force ? kOld : Tree();
  const Tree after = conversion.out();
  const bool published = after == undisturbed();
  CHECK((published || (after == before && !succeeded)));
  auto again = conversion.run_soundly();
  // What comes back after a power loss is another directory here, as on a file system without inode
  // numbers of its own: kept, and said once.
  if (!again.ok() && again.error().text().find(".partial-gone-") != std::string::npos) {
    CHECK(published);
    CHECK(conversion.out() == undisturbed());
    again = conversion.run_soundly();
    CHECK_MESSAGE((again.ok() || again.error().code == ErrorCode::usage), again.error().text());
    return;
  }
  if (again.ok()) {
    CHECK(conversion.out() == undisturbed());
    CHECK(names_in(conversion.directory / "work") == "other.txt out ");
  } else {
    // Without --force there is nothing left to do.
    CHECK_MESSAGE((published && again.error().code == ErrorCode::usage), again.error().text());
  }
}

// How often an undisturbed run makes a call.
std::uint64_t calls_of(Call call, bool force, int fallocate_error = 0) {
  const Conversion conversion(force);
  FaultyFileSystem counting;
  counting.skip_disk = true;
  counting.fallocate_error = fallocate_error;
  REQUIRE(conversion.run(counting).ok());
  return counting.count(call);
}

// The calls to try: with --force only those at the end are others than without.
std::uint64_t first_call(std::uint64_t calls, bool force) {
  constexpr std::uint64_t kLast = 60;
  return force && calls > kLast ? calls - kLast : 1;
}

TEST_CASE("every call that fails ends in a documented code and a message, and loses nothing") {
  struct Row {
    Call call;
    int error;
    ErrorCode code;
    int fallocate_error = 0;
  };
  const Row rows[] = {{Call::open, EACCES, ErrorCode::io},
                      {Call::close, EIO, ErrorCode::io},
                      {Call::fstat, EIO, ErrorCode::io},
                      {Call::map, ENOMEM, ErrorCode::no_space},
                      {Call::pread, EIO, ErrorCode::io},
                      {Call::pwrite, EIO, ErrorCode::io},
                      {Call::pwrite, ENOSPC, ErrorCode::no_space},
                      {Call::pwrite, EDQUOT, ErrorCode::no_space},
                      {Call::fallocate, ENOSPC, ErrorCode::no_space},
                      {Call::ftruncate, EIO, ErrorCode::io, EOPNOTSUPP},
                      {Call::sync_file_range, EIO, ErrorCode::io},
                      {Call::fsync, EIO, ErrorCode::io},
                      {Call::rename, EACCES, ErrorCode::io},
                      {Call::exchange, EIO, ErrorCode::io},
                      {Call::mkdir, EACCES, ErrorCode::io},
                      {Call::unlink, EACCES, ErrorCode::io},
                      {Call::rmdir, EBUSY, ErrorCode::io},
                      {Call::lock, EIO, ErrorCode::io},
                      {Call::free_space, EIO, ErrorCode::io}};
  for (const bool force : {false, true}) {
    for (const Row& row : rows) {
      const std::uint64_t calls = calls_of(row.call, force, row.fallocate_error);
      CAPTURE(std::string(testing::kCallNames[static_cast<std::size_t>(row.call)]));
      CAPTURE(row.error);
      CAPTURE(force);
      // Some calls are made for --force only, or, by threads, now and then once more.
      CHECK((calls > 0 || !force));
      std::uint64_t failures = 0;
      for (std::uint64_t n = first_call(calls, force); n <= calls; ++n) {
        CAPTURE(n);
        const Conversion conversion(force);
        FaultyFileSystem faulty;
        faulty.skip_disk = true;
        faulty.fallocate_error = row.fallocate_error;
        faulty.fault = {.call = row.call, .at = n, .error = row.error};
        const auto report = conversion.run(faulty);
        if (!report.ok()) {
          ++failures;
          const Error& error = report.error();
          CHECK_MESSAGE(error.code == row.code, error.text());
          const std::string& message = error.messages.front();
          CHECK_MESSAGE(message.find('/') == 0, message);
          CHECK_MESSAGE(
              message.find(std::generic_category().message(row.error)) != std::string::npos,
              message);
        }
        check_aftermath(conversion, report.ok());
      }
      CHECK((failures > 0 || calls == 0));
    }
  }
}

TEST_CASE("interrupted and short reads and writes are no failures") {
  for (const Call call : {Call::pread, Call::pwrite}) {
    for (std::uint64_t n = 1, calls = calls_of(call, false); n <= calls; ++n) {
      const Conversion conversion(false);
      FaultyFileSystem faulty;
      faulty.skip_disk = true;
      faulty.fault = {.call = call, .at = n, .error = EINTR};
      CHECK(conversion.run(faulty).ok());
      CHECK(conversion.out() == undisturbed());
    }
  }
  for (const std::size_t most : {std::size_t{1} << 12, std::size_t{7'919}}) {
    const Conversion conversion(false);
    FaultyFileSystem faulty;
    faulty.skip_disk = true;
    faulty.most_write = most;
    CHECK(conversion.run(faulty).ok());
    CHECK(conversion.out() == undisturbed());
  }
}

TEST_CASE("a crash at every call loses nothing, and the next run ends as an undisturbed one") {
  for (const bool force : {false, true}) {
    const std::uint64_t calls = calls_of(Call::any, force);
    for (std::uint64_t n = first_call(calls, force); n <= calls; ++n) {
      CAPTURE(force);
      CAPTURE(n);
      const Conversion conversion(force);
      FaultyFileSystem dying;
      dying.skip_disk = true;
      dying.fault = {.call = Call::any, .at = n, .error = EIO, .dies = true};
      const auto report = conversion.run(dying);
      check_aftermath(conversion, report.ok());
    }
  }
}

TEST_CASE("what was finished before a crash is kept by the next run") {
  std::uint64_t most = 0;
  for (std::uint64_t n = 1, calls = calls_of(Call::rename, false); n <= calls; ++n) {
    const Conversion conversion(false);
    FaultyFileSystem dying;
    dying.skip_disk = true;
    dying.fault = {.call = Call::rename, .at = n, .error = EIO, .dies = true};
    CHECK_FALSE(conversion.run(dying).ok());
    const auto report = conversion.run_soundly();
    REQUIRE(report.ok());
    CHECK(report.value().bytes_kept + report.value().bytes_written ==
          report.value().plan.bytes_out);
    most = std::max(most, report.value().files_kept);
  }
  CHECK(most > 4);
}

TEST_CASE("a power loss at every call loses nothing that was made durable") {
  for (const bool force : {false, true}) {
    for (const bool lose_names : {false, true}) {
      const std::uint64_t calls = calls_of(Call::any, force);
      for (std::uint64_t n = first_call(calls, force); n <= calls; ++n) {
        CAPTURE(force);
        CAPTURE(lose_names);
        CAPTURE(n);
        const Conversion conversion(force);
        conversion.directory.write("stash/0", "");
        PowerLossFileSystem losing(conversion.directory / "stash");
        losing.fault = {.call = Call::any, .at = n, .error = EIO, .dies = true};
        const auto report = conversion.run(losing);
        losing.lose_power(conversion.directory / "work", lose_names);
        check_aftermath(conversion, report.ok());
      }
    }
  }
}

}  // namespace
}  // namespace thaw
