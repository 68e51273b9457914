// Whether an output stands as a conversion would write it, judged without reading its data.
#pragma once

#include <string>

#include "base/status.h"
#include "convert/options.h"
#include "io/file_system.h"

namespace thaw {

struct Standing {
  std::string fingerprint;  // of the plan that the options make now
  bool whole = false;       // every file of that plan stands at `out` with its size
};

// Plans the conversion as if options.force were set. Errors: as convert(), before it writes.
[[nodiscard]] Result<Standing> look_at_output(const ConvertOptions& options,
                                              FileSystem& file_system);

}  // namespace thaw
