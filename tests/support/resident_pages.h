// Which pages of a mapped file are in memory, of this process or another, and a file without any.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "io/mapped_file.h"
#include "support/temporary_directory.h"

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

struct ColdFile {
  MappedFile file;
  bool is_cold;  // not where the file system is itself in memory
};

// A new file of `size` bytes that has been read forwards and dropped.
inline ColdFile cold_file(const TemporaryDirectory& directory, std::uint64_t size) {
  const std::string path = directory.write("cold", std::string(size, 'x'));
  const int fd = ::open(path.c_str(), O_RDONLY);  // pages that are not written yet cannot go
  REQUIRE(::fsync(fd) == 0);
  ::close(fd);
  auto opened = MappedFile::open(real_file_system(), path);
  REQUIRE(opened.ok());
  MappedFile file = std::move(opened).value();
  REQUIRE(file.populate(0, size).ok());  // nothing is still being read when it is dropped
  file.drop(0, size);
  const bool is_cold = resident_pages(file, 0, size) == 0;
  return {std::move(file), is_cold};
}

}  // namespace thaw::testing
