// A checkpoint directory that appears by one rename. specs/output.md clause 6.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "io/file_system.h"
#include "io/output_file.h"
#include "plan/plan.h"
#include "sink/sink.h"

namespace thaw {

struct DirectorySettings {
  std::string out;       // resolved; its parent exists or can be made
  bool replace = false;  // an existing `out` is exchanged and removed at the end
  // Not empty: what stood at `out` is renamed to this right after the exchange, and then removed
  // unless keep_backup.
  std::string backup = {};
  bool keep_backup = false;
  bool restart = false;  // what another plan left in `out`.partial is removed, not refused
  OutputSettings file = {};
};

// Works in `out`.partial, beside `out`: makes it, or takes over one that an earlier run left.
// Holds a lock on it as long as the sink lives. Errors: ErrorCode::locked, no_space (also when the
// file system has less room than the plan needs), usage (something else is called `out`.partial).
// `plan` must outlive the sink.
class DirectorySink : public Sink {
 public:
  static Result<std::unique_ptr<DirectorySink>> open(FileSystem& file_system, const Plan& plan,
                                                     const DirectorySettings& settings);
};

}  // namespace thaw
