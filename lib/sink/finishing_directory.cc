#include "sink/finishing_directory.h"

#include <algorithm>
#include <utility>

#include "io/directory.h"
#include "sink/part_files.h"

namespace thaw {

namespace {

Status refuse(const std::string& path, const std::string& what, std::string_view hint) {
  return fail(ErrorCode::usage, {.file = path, .tensor = {}}, what, hint);
}

}  // namespace

Status FinishingDirectory::take_lock() {
  if (!exists(path_) && !exists(aside_path())) {
    return refuse(path_, "is not there: no part of this conversion waits",
                  "Run the parts first: --part 1/N to --part N/N.");
  }
  lock_.reset();
  parts_lock_.reset();
  THAW_ASSIGN_OR_RETURN(parts_lock_, take_parts_lock(file_system_, settings_.out,
                                                     Sharing::exclusive, settings_.stop));
  return lock_directory(Sharing::exclusive);
}

Status FinishingDirectory::take_over() {
  THAW_ASSIGN_OR_RETURN(const PartStates states, read_part_states(file_system_, path_, 0));
  unsigned count = states.counts.empty() ? 0 : *states.counts.begin();
  if (states.whole && states.whole->parts != 0) count = states.whole->parts;
  THAW_RETURN_IF_ERROR(check_part_states(states, path_, plan_, count, 0));
  if (count == 0) {
    return refuse(path_, "holds no parts", "Run the parts first: --part 1/N to --part N/N.");
  }
  const std::vector<unsigned> missing = missing_parts(states, count);
  if (!missing.empty()) {
    return refuse(path_,
                  std::string(missing.size() == 1 ? "part " : "parts ") + part_list(missing) +
                      " of " + std::to_string(count) +
                      (missing.size() == 1 ? " is not finished" : " are not finished"),
                  "Run --part I/" + std::to_string(count) + " for each of them.");
  }
  state_.parts = count;
  state_.complete = true;
  if (states.whole) return find_finished(kStateFile, *states.whole);

  const std::vector<unsigned> part_of = split_files(plan_, count);
  RunState all;
  for (const auto& [index, state] : states.of_part) {
    const std::string name = part_state_name({.index = index, .count = count});
    std::vector<std::optional<std::uint32_t>> before = found_;
    THAW_RETURN_IF_ERROR(match_files(name, state));
    for (std::size_t i = 0; i < found_.size(); ++i) {
      if (found_[i] == before[i] || part_of[i] == index) continue;
      return refuse(
          path_ + "/" + name,
          "lists a file of part " + std::to_string(part_of[i]) + ": " + plan_.files[i].name,
          "Run that part again with --restart.");
    }
    all.files.insert(all.files.end(), state.files.begin(), state.files.end());
  }
  return find_finished(kStateFile, all);
}

void FinishingDirectory::give_back() {
  PartialDirectory::give_back();
  if (parts_lock_) static_cast<void>(remove_tree(file_system_, parts_lock_path(settings_.out)));
}

bool FinishingDirectory::may_remove(const std::string& name) const {
  return PartialDirectory::may_remove(name) && !is_part_name(name);
}

// The state of the whole is there: those of the parts are not needed any more.
Status FinishingDirectory::remove_states() {
  THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(path_));
  for (const DirectoryEntry& entry : entries) {
    if (!is_part_name(entry.name)) continue;
    THAW_RETURN_IF_ERROR(remove_tree(file_system_, path_ + "/" + entry.name));
  }
  return PartialDirectory::remove_states();
}

}  // namespace thaw
