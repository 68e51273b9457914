// Which pages of a mapped file are in memory, of this process or another.
#pragma once

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/mapped_file.h"

namespace thaw::testing {

// How many of those in bytes [begin, end); `begin` is that of a page.
inline std::uint64_t resident_pages(const MappedFile& file, std::uint64_t begin,
                                    std::uint64_t end) {
  std::vector<unsigned char> pages((end - begin + 4095) / 4096);
  auto* const address = const_cast<std::byte*>(file.bytes().data() + begin);
  REQUIRE(::mincore(address, end - begin, pages.data()) == 0);
  std::uint64_t count = 0;
  for (const unsigned char page : pages) count += page & 1u;
  return count;
}

}  // namespace thaw::testing
