#include "io/output_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/faulty_file_system.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

using testing::content_of;
using testing::FaultyFileSystem;
using testing::TemporaryDirectory;

constexpr std::size_t kPiece = 64 * 4096;

// A page-aligned buffer of `size` bytes whose content depends on `seed`.
struct Aligned {
  Aligned(std::size_t size, unsigned seed)
      : bytes(static_cast<std::byte*>(std::aligned_alloc(4096, (size + 4095) / 4096 * 4096))),
        count(size) {
    for (std::size_t i = 0; i < size; ++i) {
      bytes.get()[i] = static_cast<std::byte>((i * 131 + seed * 7919) >> 3);
    }
  }
  struct Free {
    void operator()(std::byte* pointer) const { std::free(pointer); }
  };
  [[nodiscard]] std::span<const std::byte> span() const { return {bytes.get(), count}; }
  [[nodiscard]] std::string text() const {
    return {reinterpret_cast<const char*>(bytes.get()), count};
  }
  std::unique_ptr<std::byte, Free> bytes;
  std::size_t count;
};

// Four aligned pieces out of order and an odd tail.
Status write_pieces(FileSystem& file_system, const std::string& path,
                    const OutputSettings& settings, std::string& want,
                    bool* used_direct = nullptr) {
  const Aligned tail(1234, 9);
  auto file = OutputFile::create(file_system, path, 4 * kPiece + tail.count, settings);
  if (!file.ok()) return std::move(file).take_status();
  want.assign(4 * kPiece, '\0');
  for (const unsigned i : {2u, 0u, 3u, 1u}) {
    const Aligned piece(kPiece, i);
    THAW_RETURN_IF_ERROR(file.value().write(i * kPiece, piece.span()));
    want.replace(i * kPiece, kPiece, piece.text());
  }
  THAW_RETURN_IF_ERROR(file.value().write(4 * kPiece, tail.span()));
  want += tail.text();
  if (used_direct != nullptr) *used_direct = file.value().used_direct();
  return file.value().finish();
}

TEST_CASE("every way of writing leaves the same bytes") {
  struct Row {
    const char* name;
    OutputSettings settings;
    int open_error;
    int write_error;
    std::size_t most_write;
    int fallocate_error;
  };
  const Row rows[] = {
      {"direct", {.direct = true, .window = 1 << 20}, 0, 0, 0, 0},
      {"O_DIRECT refused at open", {.direct = true, .window = 1 << 20}, EINVAL, 0, 0, 0},
      {"O_DIRECT refused at the first write", {.direct = true, .window = 1 << 20}, 0, EINVAL, 0, 0},
      {"buffered, window of one piece", {.direct = false, .window = kPiece}, 0, 0, 0, 0},
      {"buffered, no window", {.direct = false, .window = 0}, 0, 0, 0, 0},
      {"short writes", {.direct = true, .window = 1 << 20}, 0, 0, 10'000, 0},
      {"no fallocate", {.direct = true, .window = 1 << 20}, 0, 0, 0, EOPNOTSUPP},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const TemporaryDirectory directory;
    FaultyFileSystem file_system;
    file_system.direct_open_error = row.open_error;
    file_system.direct_write_error = row.write_error;
    file_system.most_write = row.most_write;
    file_system.fallocate_error = row.fallocate_error;
    std::string want;
    bool used_direct = true;
    REQUIRE(write_pieces(file_system, directory / "out", row.settings, want, &used_direct).ok());
    CHECK(content_of(directory / "out") == want);
    if (row.open_error != 0 || row.write_error != 0 || !row.settings.direct) CHECK(!used_direct);
  }
}

TEST_CASE("an interrupted write goes on") {
  const TemporaryDirectory directory;
  FaultyFileSystem file_system;
  int calls = 0;
  file_system.before_write = [&] { return ++calls % 2 == 1 ? EINTR : 0; };
  std::string want;
  REQUIRE(write_pieces(file_system, directory / "out", {}, want).ok());
  CHECK(content_of(directory / "out") == want);
}

// Notes what is written, and what is sent to the disk.
class Noting final : public FaultyFileSystem {
 public:
  ssize_t pwrite(int fd, const void* from, std::size_t size, off_t offset) override {
    written.emplace_back(offset, size);
    return FaultyFileSystem::pwrite(fd, from, size, offset);
  }
  int sync_file_range(int fd, off_t offset, off_t size, unsigned flags) override {
    if (flags == SYNC_FILE_RANGE_WRITE) sent.emplace_back(offset, static_cast<std::size_t>(size));
    return FaultyFileSystem::sync_file_range(fd, offset, size, flags);
  }
  std::vector<std::pair<off_t, std::size_t>> written;
  std::vector<std::pair<off_t, std::size_t>> sent;
};

TEST_CASE("through the page cache a piece goes in steps, each sent to the disk before the next") {
  const TemporaryDirectory directory;
  Noting file_system;
  constexpr std::uint64_t kStep = 2u << 20;
  constexpr std::uint64_t kBegin = 1000;
  const Aligned piece(3 * kStep, 5);
  auto file = OutputFile::create(file_system, directory / "out", kBegin + piece.count,
                                 {.direct = false, .window = kStep});
  REQUIRE(file.ok());
  REQUIRE(file.value().write(kBegin, piece.span()).ok());
  using Range = std::pair<off_t, std::size_t>;
  const std::vector<Range> want = {
      {kBegin, kStep - kBegin}, {kStep, kStep}, {2 * kStep, kStep}, {3 * kStep, kBegin}};
  CHECK(file_system.written == want);
  CHECK(file_system.sent == want);
  REQUIRE(file.value().finish().ok());
  CHECK(content_of(directory / "out").substr(kBegin) == piece.text());
}

TEST_CASE("a full disk and a broken one are told apart") {
  const TemporaryDirectory directory;
  struct Row {
    int error;
    ErrorCode code;
    const char* text;
  };
  for (const Row& row :
       {Row{ENOSPC, ErrorCode::no_space, "No space left on device"},
        Row{EDQUOT, ErrorCode::no_space, "quota"}, Row{EIO, ErrorCode::io, "Input/output error"}}) {
    FaultyFileSystem file_system;
    file_system.before_write = [&] { return row.error; };
    std::string want;
    const Status status = write_pieces(file_system, directory / "out", {}, want);
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().code == row.code);
    CHECK(status.error().text().find(directory / "out") != std::string::npos);
    CHECK(status.error().text().find(row.text) != std::string::npos);
  }
  FaultyFileSystem full;
  full.fallocate_error = ENOSPC;
  CHECK(OutputFile::create(full, directory / "out", 1 << 20, {}).error().code ==
        ErrorCode::no_space);
  FaultyFileSystem unsynced;
  unsynced.fsync_error = EIO;
  std::string want;
  CHECK(write_pieces(unsynced, directory / "out", {}, want).error().code == ErrorCode::io);
}

}  // namespace
}  // namespace thaw
