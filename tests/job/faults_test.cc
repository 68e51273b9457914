// specs/jobs.md clauses 4 and 5: a call to the system that fails and a crash, each at many moments
// of a job. The same job again ends as an undisturbed one does, whatever became of its
// state, and takes nothing for its own that is not.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/atomic_file.h"
#include "io/directory.h"
#include "job/queue.h"
#include "support/faulty_file_system.h"
#include "support/places.h"
#include "support/temporary_directory.h"
#include "support/tree.h"

namespace thaw {
namespace {

using testing::Call;
using testing::FaultyFileSystem;
using testing::TemporaryDirectory;
using testing::tree_of;
using Tree = std::map<std::string, std::string>;

class Watching final : public QueueObserver {
 public:
  void on_warning(const QueuedJob&, const Error& error) override {
    warnings.push_back(error.messages.front());
  }
  std::vector<std::string> warnings;
};

struct OneJob {
  explicit OneJob(const std::string& more = "") {
    std::string text = R"({"input": ")" THAW_TEST_DATA R"(/qwen2-awq-marlin/model", "output": ")";
    text += directory / "work/out";
    text += R"(", "threads": 2, "memory": "64MB", "max-shard-size": "400kB")";
    text += more + "}";
    directory.write("jobs/one.json", text);
    directory.write("work/other.txt", "beside");
  }
  JobResult run(FileSystem& file_system) {
    auto queue = load_queue(file_system, {directory / "jobs/one.json"}, "", THAW_MODEL_SPECS);
    REQUIRE(queue.ok());
    StopFlag stop;
    std::vector<JobResult> results =
        run_queue(queue.value(), {.memory = 64'000'000, .threads = 2}, watching, stop, file_system);
    return std::move(results.front());
  }
  JobResult run_soundly() {
    FaultyFileSystem sound;
    sound.skip_disk = true;
    return run(sound);
  }
  [[nodiscard]] std::string out() const { return directory / "work/out"; }

  TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  Watching watching;
};

const Tree& undisturbed() {
  static const Tree tree = [] {
    OneJob job;
    REQUIRE(job.run_soundly().outcome == JobOutcome::converted);
    return tree_of(job.out());
  }();
  return tree;
}

std::string text_of(const std::optional<Error>& error) { return error ? error->text() : ""; }

// Without the one file that a crash may leave while a state is saved (specs/safety.md clause 1.5).
std::string names_of_jobs(const OneJob& job) {
  std::string names;
  std::size_t left_by_crash = 0;
  const auto entries = list_directory(job.directory / "jobs");  // sorted
  REQUIRE(entries.ok());
  for (const DirectoryEntry& entry : entries.value()) {
    if (is_temporary_name(entry.name)) {
      ++left_by_crash;
    } else {
      names += entry.name + ' ';
    }
  }
  CHECK(left_by_crash <= 1);
  return names;
}

// After a run that ended anyhow, one more makes all right, and the one after that has nothing to
// do.
void check_aftermath(OneJob& job) {
  const JobResult again = job.run_soundly();
  CHECK(text_of(again.error).empty());
  CHECK(tree_of(job.out()) == undisturbed());
  CHECK(testing::names_in(job.directory / "work") == "other.txt out ");
  CHECK(names_of_jobs(job) == "one.json one.state ");
  CHECK(job.run_soundly().outcome == JobOutcome::up_to_date);
}

// The n-th calls to try: all of the first and the last, where a job's own files are, and some of
// those between, which tests/convert/faults_test.cc tries one by one.
std::vector<std::uint64_t> moments(std::uint64_t calls) {
  constexpr std::uint64_t kEnds = 12;
  std::vector<std::uint64_t> chosen;
  for (std::uint64_t n = 1; n <= calls; ++n) {
    if (n <= kEnds || n + kEnds > calls || n % 7 == 0) chosen.push_back(n);
  }
  return chosen;
}

TEST_CASE("every call that fails is a job's error or a warning, and loses nothing") {
  struct Row {
    Call call;
    int error;
  };
  const Row rows[] = {{Call::open, EACCES},   {Call::pwrite, ENOSPC},   {Call::pwrite, EIO},
                      {Call::pread, EIO},     {Call::fsync, EIO},       {Call::rename, EACCES},
                      {Call::unlink, EACCES}, {Call::fallocate, ENOSPC}};
  for (const Row& row : rows) {
    CAPTURE(std::string(testing::kCallNames[static_cast<std::size_t>(row.call)]));
    CAPTURE(row.error);
    OneJob counted;
    FaultyFileSystem counting;
    counting.skip_disk = true;
    REQUIRE(text_of(counted.run(counting).error) == "");
    std::size_t told = 0;
    for (const std::uint64_t n : moments(counting.count(row.call))) {
      CAPTURE(n);
      OneJob job;
      FaultyFileSystem faulty;
      faulty.skip_disk = true;
      faulty.fault = {.call = row.call, .at = n, .error = row.error};
      const JobResult result = job.run(faulty);
      if (result.error) {
        const ErrorCode code = result.error->code;
        CHECK_MESSAGE((code == ErrorCode::io || code == ErrorCode::no_space), result.error->text());
        CHECK(result.outcome == JobOutcome::failed);
      }
      if (result.error || !job.watching.warnings.empty()) ++told;
      if (!result.error) CHECK(tree_of(job.out()) == undisturbed());
      check_aftermath(job);
    }
    CHECK(told > 0);
  }
}

TEST_CASE("a job that crashed at any call goes on, and knows what it published") {
  OneJob counted;
  FaultyFileSystem counting;
  counting.skip_disk = true;
  REQUIRE(text_of(counted.run(counting).error) == "");
  std::size_t adopted = 0;
  for (const std::uint64_t n : moments(counting.count(Call::any))) {
    CAPTURE(n);
    OneJob job;
    FaultyFileSystem crashing;
    crashing.skip_disk = true;
    crashing.fault = {.call = Call::any, .at = n, .error = EIO, .dies = true};
    static_cast<void>(job.run(crashing));
    FaultyFileSystem sound;
    sound.skip_disk = true;
    const bool published = exists(job.out());
    const JobResult next = job.run(sound);
    CHECK(text_of(next.error).empty());
    if (published) {
      CHECK(next.outcome == JobOutcome::up_to_date);
      ++adopted;
    }
    check_aftermath(job);
  }
  CHECK(adopted > 0);
}

TEST_CASE("a job that was stopped half way keeps the files it had finished") {
  OneJob counted;
  FaultyFileSystem counting;
  counting.skip_disk = true;
  REQUIRE(text_of(counted.run(counting).error) == "");
  OneJob job;
  FaultyFileSystem crashing;
  crashing.skip_disk = true;
  // One of the last but those that publish, and tell of it.
  const std::uint64_t renames = counting.count(Call::rename);
  crashing.fault = {.call = Call::rename, .at = renames - 4, .error = EIO, .dies = true};
  REQUIRE(job.run(crashing).error);
  const JobResult next = job.run_soundly();
  REQUIRE(next.report);
  CHECK(next.report->files_kept > 0);
  CHECK(tree_of(job.out()) == undisturbed());
}

TEST_CASE("what another job left half made at a place that became ours is made anew") {
  OneJob job;
  FaultyFileSystem faulty;
  faulty.skip_disk = true;
  faulty.fault = {.call = Call::rename, .at = 3, .error = EIO, .dies = true};
  REQUIRE(job.run(faulty).error);
  std::string text = R"({"input": ")" THAW_TEST_DATA R"(/qwen2-awq-marlin/model", "output": ")";
  text += job.out() + R"(", "dtype": "float32"})";
  job.directory.write("jobs/one.json", text);
  const JobResult next = job.run_soundly();
  REQUIRE(!next.error);
  CHECK(next.outcome == JobOutcome::converted);
}

TEST_CASE("what somebody else made is never claimed") {
  OneJob job;
  job.directory.write("work/out/mine.txt", "precious");
  for (int run = 0; run < 2; ++run) {
    const JobResult result = job.run_soundly();
    REQUIRE(result.error);
    CHECK(result.error->code == ErrorCode::usage);
    CHECK(tree_of(job.out()) == Tree{{"mine.txt", "precious"}});
  }
}

TEST_CASE("a state that cannot be written ends the job before it writes anything") {
  OneJob job;
  FaultyFileSystem faulty;
  faulty.skip_disk = true;
  faulty.fault = {.call = Call::rename, .at = 1, .error = EROFS, .dies = true};
  const JobResult result = job.run(faulty);
  REQUIRE(result.error);
  CHECK(result.error->code == ErrorCode::io);
  CHECK(result.error->messages.front().find("one.state") != std::string::npos);
  CHECK(testing::names_in(job.directory / "work") == "other.txt ");
}

}  // namespace
}  // namespace thaw
