// specs/archives.md clause 5: an archive stands at its name when it is whole, and not before,
// whatever fails.
#include "sink/archive_sink.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <string>

#include "io/directory.h"
#include "support/faulty_file_system.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

using testing::content_of;
using testing::FaultyFileSystem;
using testing::TemporaryDirectory;

constexpr std::uint64_t kShard = 5'000'000;  // more than a buffer of a file stream

Plan small_plan() {
  Plan plan;
  for (const auto& [name, size] :
       {std::pair{"config.json", std::uint64_t{2}}, std::pair{"code/empty.py", std::uint64_t{0}},
        std::pair{"model.safetensors", kShard}}) {
    PlannedFile file;
    file.name = name;
    file.size = size;
    file.tensors = size == kShard ? 1 : 0;
    plan.bytes += size;
    plan.files.push_back(std::move(file));
  }
  return plan;
}

std::string shard() {
  std::string text(kShard, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * i >> 3);
  return text;
}

Status write_all(Sink& sink, const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  THAW_RETURN_IF_ERROR(sink.write(0, 0, bytes.subspan(0, 2)));
  constexpr std::size_t kPiece = 2'000'000;
  for (std::size_t at = 0; at < text.size(); at += kPiece) {
    const std::size_t size = std::min(kPiece, text.size() - at);
    THAW_RETURN_IF_ERROR(sink.write(2, at, bytes.subspan(at, size)));
  }
  return sink.finish();
}

ArchiveSettings settings_for(const std::string& out, StreamFormat format = StreamFormat::tar) {
  ArchiveSettings settings;
  settings.format = format;
  settings.root = "top";
  settings.out = out;
  settings.compressors = 2;
  return settings;
}

// Opens, writes, finishes; the sink is gone afterwards.
Status run(FileSystem& file_system, const ArchiveSettings& settings, const std::string& text) {
  const Plan plan = small_plan();
  auto sink = open_archive_sink(file_system, plan, settings);
  if (!sink.ok()) return std::move(sink).take_status();
  CHECK(sink.value()->ordered());
  CHECK(sink.value()->rereads());
  Status status = write_all(*sink.value(), text);
  if (status.ok()) CHECK(sink.value()->stream_bytes() == content_of(settings.out).size());
  return status;
}

TEST_CASE("an archive appears by finish and not before") {
  const std::string text = shard();
  for (const StreamFormat format : {StreamFormat::tar, StreamFormat::tar_zst}) {
    const TemporaryDirectory directory;
    const Plan plan = small_plan();
    const std::string out = directory / "deep/out.tar";
    auto sink = open_archive_sink(real_file_system(), plan, settings_for(out, format));
    REQUIRE(sink.ok());
    CHECK(exists(out + ".partial"));
    REQUIRE(sink.value()->write(0, 0, std::as_bytes(std::span("{}", 2))).ok());
    CHECK_FALSE(exists(out));
    const auto second = open_archive_sink(real_file_system(), plan, settings_for(out, format));
    REQUIRE_FALSE(second.ok());
    CHECK(second.error().code == ErrorCode::locked);
    CHECK(exists(out + ".partial"));  // the first run's
    sink.value()->abandon(Sink::Keep::partial);
    CHECK_FALSE(exists(out + ".partial"));
    REQUIRE(run(real_file_system(), settings_for(out, format), text).ok());
    CHECK_FALSE(exists(out + ".partial"));
    CHECK(content_of(out).size() > 1000);
  }
}

TEST_CASE("what stands at the destination is replaced only when that was asked for") {
  const std::string text = shard();
  const TemporaryDirectory directory;
  const std::string out = directory / "out.tar";
  REQUIRE(run(real_file_system(), settings_for(out), text).ok());
  const std::string archive = content_of(out);
  // Something that appeared while we wrote.
  directory.write("out.tar", "somebody's");
  const Status refused = run(real_file_system(), settings_for(out), text);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::usage);
  CHECK(content_of(out) == "somebody's");
  CHECK_FALSE(exists(out + ".partial"));
  ArchiveSettings replace = settings_for(out);
  replace.replace = true;
  REQUIRE(run(real_file_system(), replace, text).ok());
  CHECK(content_of(out) == archive);
}

TEST_CASE("a partial file is taken over when it is ours, and left alone when it is not") {
  const std::string text = shard();
  struct Row {
    const char* name;
    StreamFormat format;
    std::string content;
    bool ours;
  };
  const std::string tar_start = std::string(257, 'x') + "ustar" + std::string(700, 'x');
  const Row rows[] = {{"empty", StreamFormat::tar, "", true},
                      {"reserved", StreamFormat::tar, std::string(70'000, '\0'), true},
                      {"tar", StreamFormat::tar, tar_start, true},
                      {"zstd", StreamFormat::tar_zst, "\x28\xb5\x2f\xfd rest", true},
                      {"tar for zstd", StreamFormat::tar_zst, tar_start, false},
                      {"a thesis", StreamFormat::tar, "years of work", false},
                      {"a long thesis", StreamFormat::tar, std::string(99'999, 'a'), false},
                      {"shard", StreamFormat::safetensors, std::string(8, '\1') + "{\"a", true},
                      {"json", StreamFormat::safetensors, "{\"a\": 1}", false}};
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const TemporaryDirectory directory;
    const std::string partial = directory.write("out.partial", row.content);
    const Plan plan = small_plan();
    {
      const auto sink =
          open_archive_sink(real_file_system(), plan, settings_for(directory / "out", row.format));
      CHECK(sink.ok() == row.ours);
      if (!row.ours) CHECK(sink.error().code == ErrorCode::usage);
    }
    CHECK(exists(partial) == !row.ours);
    if (!row.ours) CHECK(content_of(partial) == row.content);
  }
}

TEST_CASE("too little space for a plain tar is found before the first byte") {
  const TemporaryDirectory directory;
  const Plan plan = small_plan();
  FaultyFileSystem file_system;
  file_system.free_bytes = 4'000'000;
  const auto tar = open_archive_sink(file_system, plan, settings_for(directory / "out.tar"));
  REQUIRE_FALSE(tar.ok());
  CHECK(tar.error().code == ErrorCode::no_space);
  CHECK(tar.error().text().find("needs 5.0 MB, free are 4.0 MB") != std::string::npos);
  CHECK_FALSE(exists(directory / "out.tar.partial"));
  // How large a compressed one becomes, nobody knows.
  CHECK(open_archive_sink(file_system, plan,
                          settings_for(directory / "out.tar.zst", StreamFormat::tar_zst))
            .ok());
}

// Fails the nth of the calls that write, or that make the output appear.
class NthFails final : public FaultyFileSystem {
 public:
  NthFails(int n, int error) : left_(n), error_(error) {}
  int open(const char* path, int flags, mode_t mode) override {
    return fails() ? -1 : FaultyFileSystem::open(path, flags, mode);
  }
  int close(int fd) override {
    const bool failed = fails();
    const int result = FaultyFileSystem::close(fd);
    if (failed) errno = error_;
    return failed ? -1 : result;
  }
  int fstat(int fd, struct stat* out) override {
    return fails() ? -1 : FaultyFileSystem::fstat(fd, out);
  }
  ssize_t pread(int fd, void* to, std::size_t size, off_t offset) override {
    return fails() ? -1 : FaultyFileSystem::pread(fd, to, size, offset);
  }
  ssize_t pwrite(int fd, const void* from, std::size_t size, off_t offset) override {
    return fails() ? -1 : FaultyFileSystem::pwrite(fd, from, size, offset);
  }
  int fallocate(int fd, off_t size) override {
    return fails() ? -1 : FaultyFileSystem::fallocate(fd, size);
  }
  int ftruncate(int fd, off_t size) override {
    return fails() ? -1 : FaultyFileSystem::ftruncate(fd, size);
  }
  int sync_file_range(int fd, off_t offset, off_t size, unsigned flags) override {
    return fails() ? -1 : FaultyFileSystem::sync_file_range(fd, offset, size, flags);
  }
  int fsync(int /*fd*/) override { return fails() ? -1 : 0; }  // the disk may be slow
  int rename(const char* from, const char* to) override {
    return fails() ? -1 : FaultyFileSystem::rename(from, to);
  }
  int rename_new(const char* from, const char* to) override {
    return fails() ? -1 : FaultyFileSystem::rename_new(from, to);
  }
  int lock(int fd) override { return fails() ? -1 : FaultyFileSystem::lock(fd); }
  int free_space(const char* path, FreeSpace* out) override {
    return fails() ? -1 : FaultyFileSystem::free_space(path, out);
  }
  [[nodiscard]] bool reached() const { return left_ <= 0; }

 private:
  bool fails() {
    if (--left_ != 0) return false;
    errno = error_;
    return true;
  }
  int left_;
  int error_;
};

TEST_CASE("no call that fails leaves half an archive or touches the old one") {
  const std::string text = shard();
  struct Row {
    StreamFormat format;
    bool replace;
    bool direct;
    int error;
  };
  for (const Row& row :
       {Row{StreamFormat::tar, false, true, EIO}, Row{StreamFormat::tar, true, false, ENOSPC},
        Row{StreamFormat::tar_zst, false, false, ENOSPC},
        Row{StreamFormat::tar_zst, true, true, EIO}}) {
    CAPTURE(row.replace);
    const TemporaryDirectory reference;
    REQUIRE(run(real_file_system(), settings_for(reference / "whole", row.format), text).ok());
    const std::string whole = content_of(reference / "whole");
    for (int n = 1;; ++n) {
      CAPTURE(n);
      const TemporaryDirectory directory;
      ArchiveSettings settings = settings_for(directory / "out", row.format);
      settings.replace = row.replace;
      settings.file = {.direct = row.direct, .window = 1 << 20};
      if (row.replace) directory.write("out", "old");
      NthFails faulty(n, row.error);
      const Status status = run(faulty, settings, text);
      const std::string stands = content_of(settings.out);
      CHECK((stands == whole || stands == (row.replace ? "old" : "")));
      if (status.ok()) {
        CHECK(stands == whole);
      } else {
        const ErrorCode code = status.error().code;
        CHECK((code == ErrorCode::io || code == ErrorCode::no_space || code == ErrorCode::locked));
      }
      // Whatever is left at the temporary name, a next run takes it over.
      NthFails sound(0, 0);
      CHECK(run(sound, settings, text).ok() == (row.replace || stands.empty()));
      if (!faulty.reached()) break;
      REQUIRE(n < 200);
    }
  }
}

TEST_CASE("writes that are cut short or interrupted change nothing") {
  const std::string text = shard();
  const TemporaryDirectory directory;
  REQUIRE(run(real_file_system(), settings_for(directory / "a"), text).ok());
  FaultyFileSystem faulty;
  int writes = 0;
  faulty.before_write = [&] { return ++writes % 3 == 0 ? EINTR : 0; };
  faulty.most_write = 100'000;
  REQUIRE(run(faulty, settings_for(directory / "b"), text).ok());
  CHECK(content_of(directory / "a") == content_of(directory / "b"));
}

TEST_CASE("one shard alone is its bytes and nothing else") {
  const std::string text = shard();
  const TemporaryDirectory directory;
  Plan plan = small_plan();
  plan.files.erase(plan.files.begin(), plan.files.begin() + 2);
  plan.bytes = kShard;
  const std::string out = directory / "model.safetensors";
  auto sink =
      open_archive_sink(real_file_system(), plan, settings_for(out, StreamFormat::safetensors));
  REQUIRE(sink.ok());
  REQUIRE(sink.value()->write(0, 0, std::as_bytes(std::span(text.data(), text.size()))).ok());
  REQUIRE(sink.value()->finish().ok());
  CHECK(content_of(out) == text);
}

}  // namespace
}  // namespace thaw
