// Which conversion an output comes from, where the options do not say: specs/verify.md clause 3.
// Private to lib/verify.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "prepare/prepare.h"
#include "verify/verify.h"

namespace thaw {

struct Inferred {
  std::unique_ptr<Prepared> prepared;
  std::vector<std::string> notes;  // what was inferred, safe for a terminal
};

// Errors: those of prepare(). An output that cannot be opened is no error: nothing is inferred from
// it, and comparing it tells what is wrong.
[[nodiscard]] Result<Inferred> prepare_as_written(const VerifyOptions& options,
                                                  FileSystem& file_system);

}  // namespace thaw
