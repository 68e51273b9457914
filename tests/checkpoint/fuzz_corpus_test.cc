// Everything that the fuzzers know, run again.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "fuzz/checkpoint_entries.h"
#include "support/temporary_directory.h"

namespace thaw::fuzz {
namespace {

void run_corpus(const char* name, void (*run)(const std::uint8_t*, std::size_t)) {
  const std::filesystem::path corpus =
      std::filesystem::path(THAW_TEST_DATA).parent_path() / "fuzz/corpus" / name;
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    const std::string content = testing::content_of(entry.path().string());
    run(reinterpret_cast<const std::uint8_t*>(content.data()), content.size());
    ++count;
  }
  CHECK(count >= 5);
}

TEST_CASE("read_header: holds its promises over the fuzzer's corpus") {
  run_corpus("header", run_header);
}

TEST_CASE("shards_of_index: holds its promises over the fuzzer's corpus") {
  run_corpus("index", run_index);
}

}  // namespace
}  // namespace thaw::fuzz
