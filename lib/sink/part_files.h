// What several runs that make one output leave in OUT.partial for each other, and beside it the
// lock that all of them know. specs/parts.md clause 3. What is read is hostile until checked.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/stop.h"
#include "io/file_system.h"
#include "io/lock.h"
#include "plan/part.h"
#include "sink/run_state.h"

namespace thaw {

// "thaw-state.part-2-of-8.json": what part 2 has finished; and the file that locks the part.
[[nodiscard]] std::string part_state_name(Part part);
[[nodiscard]] std::string part_lock_name(Part part);
// True for these two, and for a state before its rename.
[[nodiscard]] bool is_part_name(std::string_view name);
// Beside OUT: held shared by each part that is at work, alone by whoever publishes or clears.
[[nodiscard]] std::string parts_lock_path(const std::string& out);

// The states in OUT.partial.
struct PartStates {
  std::optional<RunState> whole;         // thaw-state.json
  std::map<unsigned, RunState> of_part;  // by index, from 1
  std::map<unsigned, Error> damaged;     // likewise; 0: thaw-state.json
  std::set<unsigned> counts;             // of how many parts there are states
  bool marked = false;                   // there is a state, or nothing that is not ours
};

// The states of `count` parts (0: of the count that is found, if it is one) and thaw-state.json.
// States of other counts are noted and not read. Errors: ErrorCode::io.
[[nodiscard]] Result<PartStates> read_part_states(FileSystem& file_system,
                                                  const std::string& directory, unsigned count);

// Why what was found is not the work of `count` parts of this plan; fine if it is, or nothing is
// there. A damaged state of `mine` does not matter. Errors: ErrorCode::usage, input.
[[nodiscard]] Status check_part_states(const PartStates& states, const std::string& directory,
                                       const PlannedFiles& plan, unsigned count, unsigned mine);

// The parts that have not finished; none where the last step has begun.
[[nodiscard]] std::vector<unsigned> missing_parts(const PartStates& states, unsigned count);
// "2, 3 and 7"; after the first twenty their number.
[[nodiscard]] std::string part_list(const std::vector<unsigned>& parts);

// Takes the lock of clause 3.3; tries for a while. Errors: ErrorCode::locked, what a signal asked
// for, io.
[[nodiscard]] Result<Lock> take_parts_lock(FileSystem& file_system, const std::string& out,
                                           Sharing sharing, const StopFlag* stop);
// The next of some tries within kPatience; false when that is over, or a stop was requested.
class Patience {
 public:
  explicit Patience(const StopFlag* stop) : stop_(stop) {}
  [[nodiscard]] bool wait();

 private:
  const StopFlag* stop_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace thaw
