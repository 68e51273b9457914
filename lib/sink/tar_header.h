// The header of one archive member: ustar where that holds it, else with a pax header before it.
// specs/archives.md clause 3.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace thaw {

struct TarMember {
  std::string name;  // the path in the archive; UTF-8 where it can be
  std::uint64_t size = 0;
  std::uint64_t mtime = 0;  // seconds since 1970
  bool directory = false;
};

// A whole number of blocks. The same bytes in every locale, for every user and process.
// Errors: ErrorCode::io when a name is not ASCII and the system has no UTF-8 locale.
[[nodiscard]] Result<std::string> tar_header(const TarMember& member);

}  // namespace thaw
