// Whether the directory of an overlay's base may be replaced. specs/overlay.md clause 7.
#pragma once

#include <string>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "io/file_system.h"

namespace thaw {

struct InPlace {
  std::string out;           // the base's directory, links resolved
  std::string backup;        // what the old one is called if it is kept
  bool done_before = false;  // by a run of this purpose, which was killed after it
};

// Errors, ErrorCode::usage: the base is a file, a snapshot in a Hugging Face cache or a mount
// point; it contains the quantized model or lies inside it; the backup's name is taken; without
// `keep_backup`, the directory holds what the new one would not have.
[[nodiscard]] Result<InPlace> check_in_place(FileSystem& file_system, const Checkpoint& base,
                                             const Checkpoint& twin, const std::string& purpose,
                                             bool keep_backup);

}  // namespace thaw
