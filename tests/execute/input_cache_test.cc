// specs/memory.md clause 6.
#include "execute/input_cache.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "support/resident_pages.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

using testing::cold_file;
using testing::resident_pages;
using testing::TemporaryDirectory;

constexpr std::uint64_t kChunk = 4u << 20;

struct Fixture {
  TemporaryDirectory directory;
  std::vector<MappedFile> files;
  std::vector<const MappedFile*> pointers;

  Fixture() {
    for (const char* name : {"a", "b"}) {
      const std::string path = directory.write(name, std::string(3 * kChunk, name[0]));
      auto file = MappedFile::open(real_file_system(), path);
      REQUIRE(file.ok());
      files.push_back(std::move(file).value());
    }
    for (const MappedFile& file : files) pointers.push_back(&file);
  }
};

TEST_CASE("ranges acquired together are all in memory, in any order, and counted once a chunk") {
  const Fixture fixture;
  InputCache cache(fixture.pointers, 0);
  // An empty one, neighbours, an overlap, and one in another file.
  const std::vector<InputRange> ranges = {{0, 0, 0},
                                          {0, 600'000, 600'000},
                                          {1, kChunk, 10'000},
                                          {0, 0, 600'000},
                                          {0, 1'000'000, 900'000}};
  REQUIRE(cache.acquire(ranges).ok());
  CHECK(cache.bytes_read() == 2 * kChunk);
  CHECK(resident_pages(fixture.files[0], 0, 1'900'000) == 464);
  CHECK(resident_pages(fixture.files[1], kChunk, kChunk + 10'000) == 3);
  // Each holds its chunk until it is released itself.
  for (const InputRange& range : ranges) {
    REQUIRE(cache.acquire(InputRange{0, 0, 1}).ok());
    CHECK(cache.bytes_read() == 2 * kChunk);
    cache.release({0, 0, 1});
    if (range.input == 0) cache.release(range);
  }
  REQUIRE(cache.acquire(InputRange{0, 0, 1}).ok());
  CHECK(cache.bytes_read() == 3 * kChunk);
  REQUIRE(cache.acquire(InputRange{1, kChunk + 20'000, 1}).ok());
  CHECK(cache.bytes_read() == 3 * kChunk);
}

TEST_CASE("a range that continues none is read without what lies behind it") {
  const TemporaryDirectory directory;
  const auto [file, is_cold] = cold_file(directory, 8 * kChunk);
  const std::vector<const MappedFile*> files = {&file};
  InputCache cache(files, 0);
  constexpr std::uint64_t kRange = 2u << 20;
  REQUIRE(cache.acquire(InputRange{0, 2 * kChunk, kRange}).ok());
  CHECK(resident_pages(file, 2 * kChunk, 2 * kChunk + kRange) == kRange / 4096);
  CHECK((!is_cold || resident_pages(file, 2 * kChunk + kRange, 8 * kChunk) == 0));
  // The next one does: the kernel may read ahead, and all of it goes with the chunk.
  REQUIRE(cache.acquire(InputRange{0, 2 * kChunk + kRange, kRange}).ok());
  CHECK(resident_pages(file, 2 * kChunk, 3 * kChunk) == kChunk / 4096);
}

}  // namespace
}  // namespace thaw
