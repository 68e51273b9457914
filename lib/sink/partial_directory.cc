#include "sink/partial_directory.h"

#include <set>
#include <utility>

#include "base/text.h"
#include "io/directory.h"
#include "io/process.h"
#include "sink/ownership.h"
#include "sink/space.h"

namespace thaw {

PartialDirectory::PartialDirectory(FileSystem& file_system, const PlannedFiles& plan,
                                   DirectorySettings settings)
    : file_system_(file_system),
      plan_(plan),
      settings_(std::move(settings)),
      role_(settings_.part           ? Role::part
            : settings_.finish_parts ? Role::last
                                     : Role::whole),
      out_(settings_.out.substr(settings_.out.rfind('/') + 1)),
      state_name_(settings_.part ? part_state_name(*settings_.part) : kStateFile),
      found_(plan.files.size()) {}

PartialDirectory::~PartialDirectory() {
  if (role_ == Role::part) release();
}

Result<std::unique_ptr<PartialDirectory>> PartialDirectory::open(
    FileSystem& file_system, const PlannedFiles& plan, const DirectorySettings& settings) {
  std::unique_ptr<PartialDirectory> directory(new PartialDirectory(file_system, plan, settings));
  if (Status status = directory->start(); !status.ok()) {
    // A directory that another run holds stays.
    if (status.error().code != ErrorCode::locked) directory->release();
    return status;
  }
  return directory;
}

// A file of that name would be taken for a mark or an unfinished file of ours.
Status PartialDirectory::check_names() const {
  std::set<std::string> taken;
  for (const PlannedFile& file : plan_.files) taken.insert(file.name + kUnfinished);
  for (const PlannedFile& file : plan_.files) {
    if (taken.count(file.name) == 0 && !is_own_name(file.name)) continue;
    return fail(ErrorCode::input, {.file = file.name, .tensor = {}},
                "has a name that thaw needs for itself while it writes",
                "Rename or remove this file of the input.");
  }
  return {};
}

Status PartialDirectory::start() {
  THAW_RETURN_IF_ERROR(check_names());
  THAW_RETURN_IF_ERROR(make_directories(file_system_, parent_of(settings_.out)));
  THAW_ASSIGN_OR_RETURN(parent_, Folder::open(file_system_, parent_of(settings_.out)));
  publisher_.emplace(*parent_, out_);
  const Sharing usual = role_ == Role::part ? Sharing::shared : Sharing::exclusive;
  for (bool joined = false; !joined;) {
    THAW_RETURN_IF_ERROR(settle());
    THAW_RETURN_IF_ERROR(lock(usual));
    // Another run may have begun to publish in between; it would have let go of its lock by now.
    THAW_ASSIGN_OR_RETURN(const std::optional<Entry> aside, parent_->look(name(kAside)));
    if (aside) continue;
    THAW_ASSIGN_OR_RETURN(elsewhere_, check_destination());
    if (elsewhere_) return release(), Status();
    THAW_ASSIGN_OR_RETURN(joined, take_over());
  }
  if (role_ != Role::part && !at_out_.vacant()) THAW_RETURN_IF_ERROR(publisher_->probe(*work_));
  return parent_->sync();
}

// Parts come here all at once, while one of them publishes.
Status PartialDirectory::settle() {
  for (Patience patience(settings_.stop);;) {
    Status settled = publisher_->settle();
    const bool waits = !settled.ok() && settled.error().code == ErrorCode::locked;
    if (!waits || role_ == Role::whole || !patience.wait()) return settled;
  }
}

Status PartialDirectory::lock(Sharing sharing) {
  part_lock_.reset();
  lock_.reset();
  parts_lock_.reset();
  if (role_ == Role::whole) {
    THAW_RETURN_IF_ERROR(lock_partial(sharing));
    return keep_parts_out();
  }
  if (role_ == Role::last) {
    THAW_ASSIGN_OR_RETURN(const std::optional<Entry> partial, parent_->look(name(kPartial)));
    if (!partial) {
      return fail(ErrorCode::usage, {.file = path(), .tensor = {}},
                  "is not there: no part of this conversion waits",
                  "Run the parts first: --part 1/N to --part N/N.");
    }
  }
  THAW_ASSIGN_OR_RETURN(parts_lock_, take_parts_lock(*parent_, out_, sharing, settings_.stop));
  return lock_partial(sharing);
}

// Parts on other machines are seen by their own lock only. They hold it before they come here.
Status PartialDirectory::keep_parts_out() {
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> entry, parent_->look(name(kPartsLock)));
  if (!entry) return {};
  Result<Lock> lock = take_own_lock(*parent_, name(kPartsLock));
  if (!lock.ok()) {
    Error error = std::move(lock).take_status().take_error();
    if (error.code != ErrorCode::locked) return Status(std::move(error));
    return fail(ErrorCode::locked, {.file = path(), .tensor = {}},
                "other runs are writing parts of this", error.hint);
  }
  parts_lock_ = std::move(lock).value();
  return {};
}

// The directory is made for this user alone, and whose it is is asked before its lock, which a
// stranger could hold for ever.
Status PartialDirectory::lock_partial(Sharing sharing) {
  work_.reset();
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> before, parent_->look(name(kPartial)));
  if (before) {
    THAW_RETURN_IF_ERROR(check_own(*parent_, *before));
    if (before->kind != FileKind::directory) {
      return fail(ErrorCode::usage, {.file = path(), .tensor = {}},
                  "is a symbolic link or no directory", "Remove it, or choose another OUT.");
    }
  } else {
    THAW_ASSIGN_OR_RETURN(const Folder made, parent_->make(name(kPartial), 0700));
  }
  Result<Lock> lock = Lock::take_directory(*parent_, name(kPartial), sharing);
  if (!lock.ok()) {
    Error error = std::move(lock).take_status().take_error();
    if (error.code != ErrorCode::locked) return Status(std::move(error));
    std::string what = "another run is writing here";
    // Who holds it stands in the state; where that cannot be read, the lock alone is known.
    if (const Result<Folder> folder = parent_->enter(name(kPartial)); folder.ok()) {
      const Result<RunState> state = load_run_state(folder.value(), kStateFile);
      if (state.ok()) what += holder_text(state.value());
    }
    return fail(ErrorCode::locked, {.file = path(), .tensor = {}}, what, error.hint);
  }
  lock_ = std::move(lock).value();
  THAW_ASSIGN_OR_RETURN(work_, parent_->enter(name(kPartial)));
  THAW_ASSIGN_OR_RETURN(Entry entry, work_->self());
  entry.name = name(kPartial);
  THAW_RETURN_IF_ERROR(check_own(*parent_, entry));
  return make_private(*work_);
}

// Looks again at OUT, which was judged before the locks were there. True if it is what this run
// was to make, by other parts.
Result<bool> PartialDirectory::check_destination() {
  THAW_ASSIGN_OR_RETURN(at_out_, Likeness::at(*parent_, out_));
  if (settings_.keep_backup) {
    THAW_ASSIGN_OR_RETURN(const std::optional<Entry> backup, parent_->look(name(kBackup)));
    if (backup) {
      return fail(ErrorCode::usage, {.file = parent_->path_of(name(kBackup)), .tensor = {}},
                  "exists already, and the old checkpoint would be renamed to it",
                  "Move it away or remove it.");
    }
  }
  if (!settings_.found || *settings_.found == at_out_) return false;
  if (role_ == Role::part && holds_files(file_system_, settings_.out, plan_)) return true;
  const std::string changed = settings_.found->difference(at_out_);
  return fail(ErrorCode::io, {.file = settings_.out, .tensor = {}},
              "changed since this run looked at it (" + printable(changed) + ")",
              "Run the same command again: it judges anew what stands there.");
}

Status PartialDirectory::check_space() const {
  THAW_ASSIGN_OR_RETURN(const FreeSpace space, free_space(file_system_, path()));
  const std::uint64_t need = directory_need(
      plan_, space.block, [this](std::size_t file) { return found_[file].has_value(); });
  if (!space.known || need <= space.available) return {};
  return fail(ErrorCode::no_space, {.file = parent_of(settings_.out), .tensor = {}},
              "not enough space: the output needs " + bytes_text(need) + ", free are " +
                  bytes_text(space.available),
              "Choose an OUT on another disk, or free some space.");
}

Status PartialDirectory::save_first_state() {
  state_.fingerprint = plan_.fingerprint;
  state_.holder = this_run();
  state_.holder.host = printable(state_.holder.host);
  state_.inputs = settings_.inputs;
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (!found_[i]) continue;
    state_.files.push_back({plan_.files[i].name, plan_.files[i].size, *found_[i]});
  }
  return save_run_state(*work_, state_name_, state_);
}

Status PartialDirectory::add_finished(std::size_t file, std::uint32_t crc32) {
  std::unique_lock lock(mutex_);
  const PlannedFile& planned = plan_.files[file];
  const auto same = [&](const FinishedFile& other) { return other.name == planned.name; };
  std::erase_if(state_.files, same);
  if (state_.files.size() >= kMostListedFiles) return {};
  state_.files.push_back({planned.name, planned.size, crc32});
  changed_ = true;
  if (saving_) return {};
  saving_ = true;
  Status status;
  while (changed_ && status.ok()) {
    changed_ = false;
    const RunState copy = state_;
    lock.unlock();
    status = save_run_state(*work_, state_name_, copy);
    lock.lock();
  }
  saving_ = false;
  return status;
}

Status PartialDirectory::publish() {
  if (elsewhere_) return {};
  if (role_ == Role::part) {
    state_.complete = true;
    return save_run_state(*work_, state_name_, state_);
  }
  THAW_RETURN_IF_ERROR(publisher_->publish({.work = *work_,
                                            .state = state_,
                                            .replace = settings_.replace,
                                            .found = at_out_,
                                            .keep = settings_.keep_backup,
                                            .purpose = settings_.purpose}));
  return parts_lock_ ? parent_->remove(name(kPartsLock)) : Status();
}

void PartialDirectory::remove() {
  if (elsewhere_ || !work_) return;
  if (role_ == Role::part) {
    found_.assign(found_.size(), std::nullopt);
    static_cast<void>(clean(*work_, ""));
    static_cast<void>(work_->remove(state_name_));
    if (part_lock_) static_cast<void>(work_->remove(part_lock_name(*part())));
  } else {
    static_cast<void>(remove_contents(*work_));
  }
  release();
}

// Leaves no empty directory behind, and no lock where nobody else is at work. A directory with
// something in it stays.
void PartialDirectory::release() {
  const bool locked = lock_.has_value();
  const bool of_parts = parts_lock_.has_value();
  part_lock_.reset();
  lock_.reset();
  if (role_ == Role::part) parts_lock_.reset();
  if (!parent_) return;
  if (role_ == Role::part) {
    if (!of_parts) return;
    const Result<Lock> alone = take_own_lock(*parent_, name(kPartsLock));
    if (!alone.ok()) return;
    static_cast<void>(parent_->remove_empty(name(kPartial)));
    static_cast<void>(parent_->remove(name(kPartsLock)));
    return;
  }
  if (locked) static_cast<void>(parent_->remove_empty(name(kPartial)));
  if (of_parts) static_cast<void>(parent_->remove(name(kPartsLock)));
  parts_lock_.reset();
}

}  // namespace thaw
