// Everything that the fuzzers know, run again.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "fuzz/json_entries.h"
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

TEST_CASE("parse and ObjectWalk: hold their promises over the fuzzer's corpus") {
  run_corpus("json", run_json);
}

TEST_CASE("Editor: holds its promises over the fuzzer's corpus") { run_corpus("edit", run_edit); }

}  // namespace
}  // namespace thaw::fuzz
