#include "io/mapped_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "io/process.h"
#include "support/faulty_file_system.h"
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

// A file system that has no shared mappings, or none at all. specs/memory.md clause 11.
class PrivateMapping final : public Mapping {
 public:
  PrivateMapping(const std::string& path, std::uint64_t size) : size_(size) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    begin_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    ::close(fd);
  }
  ~PrivateMapping() override { ::munmap(begin_, size_); }
  [[nodiscard]] const std::byte* data() const override {
    return static_cast<const std::byte*>(begin_);
  }
  [[nodiscard]] bool shared() const override { return false; }

 private:
  void* begin_;
  std::size_t size_;
};

class FewMappings final : public testing::FaultyFileSystem {
 public:
  explicit FewMappings(bool private_ones) : private_ones_(private_ones) {}
  std::unique_ptr<Mapping> map(const std::string& path, std::uint64_t size) override {
    if (private_ones_) return std::make_unique<PrivateMapping>(path, size);
    errno = ENODEV;
    return nullptr;
  }

 private:
  bool private_ones_;
};

TEST_CASE("where there are no shared mappings, or none, a file shows its bytes all the same") {
  const TemporaryDirectory directory;
  std::string content(9'123'457, 'x');
  for (std::size_t i = 0; i < content.size(); i += 1000) content[i] = static_cast<char>(i / 1000);
  const std::string path = directory.write("shard", content);
  for (const bool private_ones : {true, false}) {
    CAPTURE(private_ones);
    FewMappings few(private_ones);
    const auto file = MappedFile::open(few, path);
    REQUIRE_MESSAGE(file.ok(), (file.ok() ? "" : file.error().text()));
    const MappedFile& mapped = file.value();
    const auto whole = [&] {
      return std::memcmp(mapped.bytes().data(), content.data(), content.size()) == 0;
    };
    CHECK(whole());  // without having been asked for
    REQUIRE(mapped.read_exactly(5'000'001, 70'000).ok());
    REQUIRE(mapped.populate(0, mapped.size()).ok());
    mapped.unmap_pages(100, 5'000'000);
    CHECK(whole());
    mapped.drop(0, 4u << 20);
    mapped.drop(4u << 20, 4u << 20);
    mapped.drop(8u << 20, 4u << 20);
    CHECK(whole());
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) {
          if (!whole()) ++wrong;
          mapped.unmap_pages(0, mapped.size());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
    CHECK_FALSE(mapped.damaged());
    CHECK(mapped.check_unchanged().ok());
  }
}

TEST_CASE("what is read instead of mapped needs memory for what is held, and no more") {
  const TemporaryDirectory directory;
  constexpr std::uint64_t kSize = 200u << 20;
  const std::string path = directory.write("shard", "");
  std::filesystem::resize_file(path, kSize);
  FewMappings none(false);
  const auto file = MappedFile::open(none, path);
  REQUIRE(file.ok());
  const std::uint64_t before = peak_resident_bytes();
  constexpr std::uint64_t kStep = 4u << 20;
  for (std::uint64_t at = 0; at < kSize; at += kStep) {
    REQUIRE(file.value().populate(at, kStep).ok());
    file.value().drop(at, kStep);
  }
  CHECK(peak_resident_bytes() < before + (40u << 20));
}

TEST_CASE("a file that is read instead of mapped, and is truncated meanwhile, is an error") {
  const TemporaryDirectory directory;
  const std::string path = directory.write("shard", std::string(2'000'000, 'x'));
  FewMappings none(false);
  const auto file = MappedFile::open(none, path);
  REQUIRE(file.ok());
  std::filesystem::resize_file(path, 4096);
  const Status read = file.value().populate(1'000'000, 4096);
  REQUIRE_FALSE(read.ok());
  CHECK(read.error().code == ErrorCode::io);
  CHECK(file.value().damaged());
}

TEST_CASE("a file that was written to and given its time back is noticed") {
  const TemporaryDirectory directory;
  const std::string path = directory.write("shard", "one text");
  const auto file = MappedFile::open(real_file_system(), path);
  REQUIRE(file.ok());
  CHECK(file.value().check_unchanged().ok());
  const auto time = std::filesystem::last_write_time(path);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the clock of times is coarse
  std::ofstream(path, std::ios::in | std::ios::out) << "two";
  std::filesystem::last_write_time(path, time);
  CHECK(file.value().changed());
  const Status changed = file.value().check_unchanged();
  REQUIRE_FALSE(changed.ok());
  CHECK(changed.error().code == ErrorCode::io);
  CHECK(changed.error().text().find("ctime") != std::string::npos);
}

}  // namespace
}  // namespace thaw
