// Everything that a fuzzer knows, run again.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "support/places.h"
#include "support/temporary_directory.h"

namespace thaw::fuzz {

inline void run_corpus(const char* target, void (*run)(const std::uint8_t*, std::size_t)) {
  const std::filesystem::path corpus =
      std::filesystem::path(THAW_TEST_DATA).parent_path() / "fuzz/corpus" / target;
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    const std::string content = testing::content_of(entry.path().string());
    run(reinterpret_cast<const std::uint8_t*>(content.data()), content.size());
    ++count;
  }
  CHECK(count >= 5);
}

}  // namespace thaw::fuzz
