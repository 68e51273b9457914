#include "io/limits.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <cerrno>
#include <string>

#include "io/directory.h"
#include "io/lock.h"
#include "io/mapped_file.h"
#include "support/faulty_file_system.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

using testing::Call;
using testing::FaultyFileSystem;
using testing::TemporaryDirectory;

// specs/errors.md clause 3.
TEST_CASE("a limit of the system is code 6, with its name") {
  struct Row {
    int error;
    const char* name;
  };
  for (const Row& row : {Row{EMFILE, "ulimit -n"}, Row{ENFILE, "fs.file-max"},
                         Row{ENOMEM, "memory"}, Row{EFBIG, "file"}, Row{EAGAIN, "ulimit -u"}}) {
    CAPTURE(row.name);
    const auto limit = limit_behind(row.error);
    REQUIRE(limit.has_value());
    CHECK(limit->what.find(row.name) != std::string::npos);
    CHECK_FALSE(limit->hint.empty());
    const TemporaryDirectory directory;
    const std::string path = directory.write("a", "text");
    FaultyFileSystem faulty;
    faulty.fault = {.call = Call::open, .at = 1, .error = row.error};
    const auto opened = MappedFile::open(faulty, path);
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code == ErrorCode::no_space);
    CHECK(opened.error().messages.front().find(limit->what) != std::string::npos);
  }
  CHECK_FALSE(limit_behind(EIO).has_value());
  CHECK_FALSE(limit_behind(EACCES).has_value());
}

TEST_CASE("a limit that has a value is told with it") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const std::string value = std::to_string(before.rlim_cur);
  CHECK(limit_behind(EMFILE)->what == "the limit of open files (ulimit -n) is " + value);
}

TEST_CASE("a lock that meets a limit says so, and not that another run holds it") {
  const TemporaryDirectory directory;
  directory.write("lock", "");
  for (const std::uint64_t at : {1u, 2u}) {
    FaultyFileSystem faulty;
    faulty.fault = {.call = Call::open, .at = at, .error = EMFILE};
    CHECK(Lock::take_file(faulty, directory / "lock").error().code == ErrorCode::no_space);
    FaultyFileSystem another;
    another.fault = faulty.fault;
    CHECK(Lock::take_directory(another, directory.path()).error().code == ErrorCode::no_space);
  }
}

TEST_CASE("threads that are refused are told with how many there were") {
  const Status refused = threads_refused(2, 3);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::no_space);
  CHECK(refused.error().text().find("gave 2 of the 3 threads") != std::string::npos);
}

// A file system that has no locks says so in one of four ways.
class Lockless final : public FaultyFileSystem {
 public:
  explicit Lockless(int error) : error_(error) {}
  int lock(int) override {
    errno = error_;
    return -1;
  }
  int lock_shared(int) override { return lock(0); }

 private:
  int error_;
};

TEST_CASE("a file system without locks is tolerated, and can be told from one that has them") {
  const TemporaryDirectory directory;
  for (const int error : {ENOSYS, ENOLCK, EOPNOTSUPP, EINVAL}) {
    CAPTURE(error);
    Lockless lockless(error);
    for (const Sharing sharing : {Sharing::exclusive, Sharing::shared}) {
      const auto on_directory = Lock::take_directory(lockless, directory.path(), sharing);
      REQUIRE(on_directory.ok());
      CHECK_FALSE(on_directory.value().supported());
      const auto on_file = Lock::take_file(lockless, directory / "lock", sharing);
      REQUIRE(on_file.ok());
      CHECK_FALSE(on_file.value().supported());
    }
  }
  Lockless broken(EIO);
  CHECK(Lock::take_file(broken, directory / "lock").error().code == ErrorCode::io);
  CHECK(Lock::take_file(real_file_system(), directory / "lock").value().supported());
}

// Or does not count its blocks.
class Uncounted final : public FaultyFileSystem {
 public:
  explicit Uncounted(int error) : error_(error) {}
  int free_space(const char*, FreeSpace*) override {
    errno = error_;
    return -1;
  }

 private:
  int error_;
};

TEST_CASE("free space that is not told is unknown, and a failing call is an error") {
  for (const int error : {ENOSYS, EOPNOTSUPP}) {
    Uncounted uncounted(error);
    const auto space = free_space(uncounted, "/");
    REQUIRE(space.ok());
    CHECK_FALSE(space.value().known);
  }
  Uncounted broken(EIO);
  CHECK_FALSE(free_space(broken, "/").ok());
  CHECK(free_space(real_file_system(), "/").value().known);
}

}  // namespace
}  // namespace thaw
