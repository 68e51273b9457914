// The header of one archive member: ustar where that holds it, else with a pax header before it.
// specs/archives.md clause 3.
#pragma once

#include <cstdint>
#include <string>

namespace thaw {

struct TarMember {
  std::string name;  // the path in the archive, of a folder with a slash at its end; UTF-8 or bytes
  std::uint64_t size = 0;
  std::uint64_t mtime = 0;  // seconds since 1970
  bool directory = false;
};

// A whole number of blocks of 512 bytes. The same bytes in every locale, for every user and
// process.
[[nodiscard]] std::string tar_header(const TarMember& member);

}  // namespace thaw
