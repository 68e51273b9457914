// A checkpoint directory that appears by one rename. specs/output.md clause 6.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/stop.h"
#include "io/file_system.h"
#include "io/output_file.h"
#include "io/read_back.h"
#include "plan/part.h"
#include "plan/plan.h"
#include "sink/input_marks.h"
#include "sink/likeness.h"
#include "sink/sink.h"

namespace thaw {

struct DirectorySettings {
  std::string out = {};  // resolved; its parent exists or can be made
  bool replace = false;  // an existing `out` is exchanged and removed at the end
  // What stood at `out` when the caller judged it; else what stands there at open(). Nothing else
  // is replaced.
  std::optional<Likeness> found = {};
  bool keep_backup = false;   // it becomes `out`.backup instead of being removed
  std::string purpose = {};   // of the run: look_at_leavings() tells it
  bool restart = false;       // what an earlier run left in `out`.partial is removed
  bool drop_foreign = false;  // the same, but only what another plan left; it is not refused
  // The files are those of one part of several runs (files_of_part), which write side by side;
  // finish() leaves it in `out`.partial. specs/parts.md.
  std::optional<Part> part = {};
  // Takes what all parts have written, instead of what an earlier run has left. Not with `part`.
  bool finish_parts = false;
  // Of the whole plan (input_marks): a later run goes on only with the same files.
  std::vector<InputMark> inputs = {};
  const StopFlag* stop = nullptr;  // ends the waiting for the lock of other parts
  OutputSettings file = {};
};

// Works in `out`.partial, beside `out`: makes it, or continues what an earlier run of the same plan
// left. Holds a lock on it as long as the sink lives. Errors: ErrorCode::locked, no_space (also
// when the file system has less room than the plan needs), usage (something else is called
// `out`.partial or `out`.backup, belongs to another user, or another plan is under way there), io
// (`out` is no longer as it was judged). `plan` must outlive the sink.
class DirectorySink : public Sink {
 public:
  static Result<std::unique_ptr<DirectorySink>> open(FileSystem& file_system,
                                                     const PlannedFiles& plan,
                                                     const DirectorySettings& settings);
  // The files that an earlier run says it has finished. Each that check() was not called for, and
  // found whole, is made anew.
  [[nodiscard]] virtual std::vector<std::uint32_t> found() const = 0;
  // Reads such a file back; has() tells the result. `advance` hears of the bytes read and may end
  // the reading: only its error is returned. `buffer` as for read_back(). Thread-safe.
  [[nodiscard]] virtual Status check(std::uint32_t file, std::span<std::byte> buffer,
                                     const std::function<Status(std::uint64_t)>& advance) = 0;
  // Reads a finished file of the plan, before finish(). As read_back().
  [[nodiscard]] virtual Status read(std::uint32_t file, std::span<std::byte> buffer,
                                    const Consumer& consume) const = 0;
  // True where other parts have published all of the plan: there was nothing to do.
  [[nodiscard]] virtual bool elsewhere() const = 0;
  // Adds a small file that is not in the plan, at the top; whole and durable on return.
  [[nodiscard]] virtual Status add(const std::string& name, std::string_view content) = 0;
};

// Whether the directory at a resolved path has every file of the plan, with its size.
[[nodiscard]] bool holds_files(FileSystem& file_system, const std::string& path,
                               const PlannedFiles& plan);

// Removes what a run has left beside `out` that ended right after it had published, and puts away
// what it had replaced. `out` is resolved. Errors as Publisher::settle().
[[nodiscard]] Status tidy_published(FileSystem& file_system, const std::string& out);

}  // namespace thaw
