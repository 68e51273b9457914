// Whether an output stands as a conversion would write it, judged without reading its data.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "io/file_system.h"
#include "prepare/options.h"

namespace thaw {

struct Standing {
  // Of the plan that the options make now, of its inputs' sizes and modification times, and of the
  // kind of output.
  std::string fingerprint;
  std::string out;  // resolved
  // Every file of that plan stands at `out` with its size; an archive is there.
  bool whole = false;
  std::uint64_t archive_bytes = 0;  // its size, for who knows how large it was
};

// Plans the conversion as if options.force were set. Errors: as convert(), before it writes.
[[nodiscard]] Result<Standing> look_at_output(const ConvertOptions& options,
                                              FileSystem& file_system);

// For a whole output that an earlier run published: removes what that run had no time to remove.
[[nodiscard]] Status tidy_output(const Standing& standing, FileSystem& file_system);

}  // namespace thaw
