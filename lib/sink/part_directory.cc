#include "sink/part_directory.h"

#include <algorithm>
#include <utility>

#include "io/directory.h"
#include "sink/part_files.h"

namespace thaw {

PartDirectory::PartDirectory(FileSystem& file_system, const PlannedFiles& plan,
                             DirectorySettings settings)
    : PartialDirectory(file_system, plan, std::move(settings)), part_(*settings_.part) {
  state_name_ = part_state_name(part_);
}

PartDirectory::~PartDirectory() { release(); }

Status PartDirectory::start() {
  THAW_RETURN_IF_ERROR(check_names());
  THAW_RETURN_IF_ERROR(make_directories(file_system_, parent_of(settings_.out)));
  for (bool joined = false; !joined;) {
    if (exists(aside_path())) THAW_RETURN_IF_ERROR(settle_alone());
    THAW_RETURN_IF_ERROR(enter());
    THAW_ASSIGN_OR_RETURN(joined, join());
  }
  return sync_directory(file_system_, parent_of(path_));
}

// Beside other parts, and nobody else.
Status PartDirectory::enter() {
  lock_.reset();
  parts_lock_.reset();
  THAW_ASSIGN_OR_RETURN(
      parts_lock_, take_parts_lock(file_system_, settings_.out, Sharing::shared, settings_.stop));
  return lock_directory(Sharing::shared);
}

// A publication that a crash has interrupted.
Status PartDirectory::settle_alone() {
  lock_.reset();
  parts_lock_.reset();
  THAW_ASSIGN_OR_RETURN(parts_lock_, take_parts_lock(file_system_, settings_.out,
                                                     Sharing::exclusive, settings_.stop));
  THAW_RETURN_IF_ERROR(lock_directory(Sharing::exclusive));
  THAW_ASSIGN_OR_RETURN(const bool settled, settle_publication());
  static_cast<void>(settled);  // OUT.partial is looked at again in any case
  return {};
}

// False when what stood here had to go first.
Result<bool> PartDirectory::join() {
  const auto look = [&]() -> Result<PartStates> {
    THAW_ASSIGN_OR_RETURN(PartStates states, read_part_states(file_system_, path_, part_.count));
    THAW_RETURN_IF_ERROR(
        check_part_states(states, path_, plan_, part_.count, settings_.restart ? part_.index : 0));
    return states;
  };
  const Result<PartStates> states = look();
  if (!states.ok()) {
    const Error error = states.error();
    THAW_ASSIGN_OR_RETURN(const PartStates found,
                          read_part_states(file_system_, path_, part_.count));
    if (!settings_.restart || !found.marked || error.code != ErrorCode::usage) {
      return Status(error);
    }
    THAW_RETURN_IF_ERROR(clear_alone());
    return false;
  }
  THAW_RETURN_IF_ERROR(take_over_own(states.value()));
  // Two that begin at once see nothing of each other before; now at least one of them does.
  if (const Result<PartStates> again = look(); !again.ok()) {
    if (states.value().of_part.count(part_.index) == 0) {
      static_cast<void>(remove_tree(file_system_, path_ + "/" + state_name_));
    }
    return Status(again.error());
  }
  return true;
}

// Removes the work of another plan, or of other parts; never that of a run that lives.
Status PartDirectory::clear_alone() {
  lock_.reset();
  parts_lock_.reset();
  THAW_ASSIGN_OR_RETURN(parts_lock_, take_parts_lock(file_system_, settings_.out,
                                                     Sharing::exclusive, settings_.stop));
  THAW_RETURN_IF_ERROR(lock_directory(Sharing::exclusive));
  // Another part that was told to start over may have been here in between.
  THAW_ASSIGN_OR_RETURN(const PartStates states,
                        read_part_states(file_system_, path_, part_.count));
  const Status still = check_part_states(states, path_, plan_, part_.count, part_.index);
  return still.ok() ? Status() : clear();
}

// Of the state of all parts what is this one's.
RunState PartDirectory::own_of(const RunState& whole) const {
  RunState own;
  for (const FinishedFile& file : whole.files) {
    const bool mine =
        std::any_of(plan_.files.begin(), plan_.files.end(),
                    [&](const PlannedFile& planned) { return planned.name == file.name; });
    if (mine) own.files.push_back(file);
  }
  return own;
}

Status PartDirectory::take_over_own(const PartStates& states) {
  Result<Lock> lock = Lock::take_file(file_system_, path_ + "/" + part_lock_name(part_));
  if (!lock.ok()) {
    Error error = std::move(lock).take_status().take_error();
    if (error.code != ErrorCode::locked) return Status(std::move(error));
    return fail(ErrorCode::locked, {.file = path_, .tensor = {}},
                "another run is writing part " + std::to_string(part_.index) + " of " +
                    std::to_string(part_.count),
                error.hint);
  }
  part_lock_ = std::move(lock).value();
  state_.parts = part_.count;
  const auto own = states.of_part.find(part_.index);
  RunState known;
  if (!settings_.restart && states.whole) {
    // The last step has begun, which needs every part.
    known = own_of(*states.whole);
    known.complete = true;
  } else if (!settings_.restart && own != states.of_part.end()) {
    known = own->second;
  }
  THAW_RETURN_IF_ERROR(find_finished(state_name_, known));
  const bool all =
      std::all_of(found_.begin(), found_.end(), [](const auto& file) { return file.has_value(); });
  state_.complete = known.complete && all;
  THAW_RETURN_IF_ERROR(check_space());
  return save_first_state();
}

bool PartDirectory::may_remove(const std::string& name) const {
  return std::any_of(plan_.files.begin(), plan_.files.end(), [&](const PlannedFile& file) {
    return file.name == name || file.name + kUnfinished == name ||
           file.name.starts_with(name + "/");
  });
}

Status PartDirectory::publish() {
  state_.complete = true;
  return save_run_state(file_system_, path_, state_name_, state_);
}

void PartDirectory::remove() {
  found_.assign(found_.size(), std::nullopt);
  static_cast<void>(clean(path_, ""));
  static_cast<void>(remove_tree(file_system_, path_ + "/" + state_name_));
  if (part_lock_) static_cast<void>(remove_tree(file_system_, path_ + "/" + part_lock_name(part_)));
  release();
}

// Leaves no empty directory behind, and no lock where nobody else is at work.
void PartDirectory::release() {
  if (!parts_lock_) return;
  part_lock_.reset();
  lock_.reset();
  parts_lock_.reset();
  const std::string path = parts_lock_path(settings_.out);
  const Result<Lock> alone = Lock::take_file(file_system_, path);
  if (!alone.ok()) return;
  static_cast<void>(file_system_.rmdir(path_.c_str()));
  static_cast<void>(remove_tree(file_system_, path));
}

}  // namespace thaw
