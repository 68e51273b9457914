// The first half of PartialDirectory: taking the directory, and what is left of an earlier run.
// What is found there is hostile until checked: names are only compared with the plan's, links
// are never followed, and everything that is not a finished file of this plan is removed.

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "io/directory.h"
#include "io/process.h"
#include "sink/finishing_directory.h"
#include "sink/part_directory.h"
#include "sink/part_files.h"
#include "sink/partial_directory.h"
#include "sink/space.h"

namespace thaw {

namespace {

constexpr const char* kRestartHint = "Start over with --restart, or remove it.";
constexpr const char* kPartsHint =
    "Run the parts that are missing or --finish, or start over with --restart.";

Status refuse(const std::string& path, std::string_view what, std::string_view hint) {
  return fail(ErrorCode::usage, {.file = path, .tensor = {}}, what, hint);
}

}  // namespace

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

PartialDirectory::PartialDirectory(FileSystem& file_system, const PlannedFiles& plan,
                                   DirectorySettings settings)
    : file_system_(file_system),
      plan_(plan),
      settings_(std::move(settings)),
      path_(settings_.out + ".partial"),
      found_(plan.files.size()) {}

Result<std::unique_ptr<PartialDirectory>> PartialDirectory::open(
    FileSystem& file_system, const PlannedFiles& plan, const DirectorySettings& settings) {
  std::unique_ptr<PartialDirectory> directory;
  if (settings.part) {
    directory = std::make_unique<PartDirectory>(file_system, plan, settings);
  } else if (settings.finish_parts) {
    directory = std::make_unique<FinishingDirectory>(file_system, plan, settings);
  } else {
    directory.reset(new PartialDirectory(file_system, plan, settings));
  }
  if (Status status = directory->start(); !status.ok()) {
    // A directory that another run holds stays.
    if (status.error().code != ErrorCode::locked) directory->give_back();
    return status;
  }
  return directory;
}

// Leaves no empty directory behind; one with something in it stays.
void PartialDirectory::give_back() { static_cast<void>(file_system_.rmdir(path_.c_str())); }

// A file of that name would be taken for a mark or an unfinished file of ours.
Status PartialDirectory::check_names() const {
  std::set<std::string> taken = {kStateFile, kNewStateFile};
  for (const PlannedFile& file : plan_.files) taken.insert(file.name + kUnfinished);
  for (const PlannedFile& file : plan_.files) {
    if (taken.count(file.name) == 0 && !is_part_name(file.name)) continue;
    return fail(ErrorCode::input, {.file = file.name, .tensor = {}},
                "has a name that thaw needs for itself while it writes",
                "Rename or remove this file of the input.");
  }
  return {};
}

Status PartialDirectory::start() {
  THAW_RETURN_IF_ERROR(check_names());
  THAW_RETURN_IF_ERROR(make_directories(file_system_, parent_of(settings_.out)));
  for (bool settled = false; !settled;) {
    THAW_RETURN_IF_ERROR(take_lock());
    THAW_ASSIGN_OR_RETURN(settled, settle_publication());
  }
  if (!settings_.backup.empty() && exists(settings_.backup)) {
    return refuse(settings_.backup, "exists already, and the old checkpoint would be renamed to it",
                  "Move it away or remove it.");
  }
  THAW_RETURN_IF_ERROR(take_over());
  THAW_RETURN_IF_ERROR(check_space());
  THAW_RETURN_IF_ERROR(save_first_state());
  return sync_directory(file_system_, parent_of(path_));
}

Status PartialDirectory::save_first_state() {
  state_.fingerprint = plan_.fingerprint;
  state_.holder = this_run();
  state_.holder.host = printable(state_.holder.host);
  state_.inputs = input_marks(plan_);
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (!found_[i]) continue;
    state_.files.push_back({plan_.files[i].name, plan_.files[i].size, *found_[i]});
  }
  return save_run_state(file_system_, path_, state_name_, state_);
}

Status PartialDirectory::take_lock() {
  THAW_RETURN_IF_ERROR(lock_directory(Sharing::exclusive));
  return keep_parts_out();
}

// Parts on other machines are seen by their own lock only. They hold it before they come here.
Status PartialDirectory::keep_parts_out() {
  parts_lock_.reset();
  if (!exists(parts_lock_path(settings_.out))) return {};
  Result<Lock> lock = Lock::take_file(file_system_, parts_lock_path(settings_.out));
  if (!lock.ok()) {
    Error error = std::move(lock).take_status().take_error();
    if (error.code != ErrorCode::locked) return Status(std::move(error));
    return fail(ErrorCode::locked, {.file = path_, .tensor = {}},
                "other runs are writing parts of this", error.hint);
  }
  parts_lock_ = std::move(lock).value();
  return {};
}

Status PartialDirectory::lock_directory(Sharing sharing) {
  if (is_link(path_)) {
    return refuse(path_, "is a symbolic link", "Remove it, or choose another OUT.");
  }
  THAW_RETURN_IF_ERROR(make_directories(file_system_, path_));
  Result<Lock> lock = Lock::take_directory(file_system_, path_, sharing);
  if (lock.ok()) {
    lock_ = std::move(lock).value();
    return {};
  }
  Error error = std::move(lock).take_status().take_error();
  if (error.code != ErrorCode::locked) return Status(std::move(error));
  // Who holds it stands in the state; where that cannot be read, the lock alone is known.
  const std::string inside = path_ + "/" + kStateFile;
  const Result<RunState> state =
      load_run_state(file_system_, exists(inside) ? inside : aside_path());
  std::string what = "another run is writing here";
  if (state.ok()) {
    const RunIdentity& holder = state.value().holder;
    what += ": process " + std::to_string(holder.pid) + " on " + printable(holder.host);
    what += ", since " + printable(holder.started);
  }
  return fail(ErrorCode::locked, {.file = path_, .tensor = {}}, what, error.hint);
}

Status PartialDirectory::take_over() {
  THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(path_));
  const auto is_called = [](const char* name) {
    return [name](const DirectoryEntry& entry) { return entry.name == name; };
  };
  // A crash before the first state was whole left no more than this.
  if (std::all_of(entries.begin(), entries.end(), is_called(kNewStateFile))) return clear();
  const bool of_parts =
      std::any_of(entries.begin(), entries.end(),
                  [](const DirectoryEntry& entry) { return is_part_name(entry.name); });
  if (!of_parts && std::none_of(entries.begin(), entries.end(), is_called(kStateFile))) {
    return refuse(path_, "exists and was not made by thaw", "Move it away, or choose another OUT.");
  }
  if (settings_.restart) return clear();
  if (of_parts) return refuse(path_, "holds a conversion in parts", kPartsHint);
  Result<RunState> state = load_run_state(file_system_, path_ + "/" + kStateFile);
  if (state.ok() && state.value().parts != 0) {
    return refuse(path_, "holds a conversion in parts", kPartsHint);
  }
  const bool same_plan = state.ok() && state.value().fingerprint == plan_.fingerprint;
  Status same_input;
  if (same_plan) same_input = check_inputs_of(state.value(), plan_, path_);
  const bool continues = same_plan && same_input.ok();
  if (!continues && settings_.drop_foreign) return clear();
  if (!state.ok()) {
    Error error = std::move(state).take_status().take_error();
    if (error.code == ErrorCode::input) error.code = ErrorCode::usage;
    error.hint = kRestartHint;
    return Status(std::move(error));
  }
  if (!same_input.ok()) return same_input;
  if (!continues) {
    Error error =
        make_error(ErrorCode::usage, {.file = path_, .tensor = {}},
                   "holds a conversion of other input or with other options: got "
                   "fingerprint " +
                       printable(state.value().fingerprint) + ", expected " + plan_.fingerprint);
    error.hint = "Repeat that run as it was, or start over with --restart.";
    return Status(std::move(error));
  }
  Status found = find_finished(kStateFile, state.value());
  const bool lies = !found.ok() && found.error().code == ErrorCode::usage;
  return lies && settings_.drop_foreign ? clear() : std::move(found);
}

// What the state lists and the directory has; all else that may be removed is.
Status PartialDirectory::find_finished(const std::string& state_name, const RunState& state) {
  THAW_RETURN_IF_ERROR(match_files(state_name, state));
  THAW_RETURN_IF_ERROR(clean(path_, ""));
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (found_[i] && !exists(path_ + "/" + plan_.files[i].name)) found_[i].reset();
  }
  return {};
}

// Names that are not the plan's and sizes that it does not give them are lies.
Status PartialDirectory::match_files(const std::string& state_name, const RunState& state) {
  std::map<std::string_view, std::size_t> files;
  for (std::size_t i = 0; i < plan_.files.size(); ++i) files.emplace(plan_.files[i].name, i);
  for (const FinishedFile& finished : state.files) {
    const auto at = files.find(finished.name);
    if (at == files.end() || plan_.files[at->second].size != finished.size) {
      found_.assign(found_.size(), std::nullopt);
      return refuse(path_ + "/" + state_name,
                    "lists a file that is not of this conversion: " + printable(finished.name),
                    kRestartHint);
    }
    found_[at->second] = finished.crc32;
  }
  return {};
}

// Removes what is no finished file of the right size.
Status PartialDirectory::clean(const std::string& directory, const std::string& prefix) {
  THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(directory));
  for (const DirectoryEntry& entry : entries) {
    const std::string name = prefix + entry.name;
    const std::string path = directory + "/" + entry.name;
    bool keep = false;
    if (!entry.link && entry.kind == FileKind::directory) {
      keep = std::any_of(plan_.files.begin(), plan_.files.end(), [&](const PlannedFile& file) {
        return file.name.starts_with(name + "/");
      });
      if (keep) THAW_RETURN_IF_ERROR(clean(path, name + "/"));
    }
    for (std::size_t i = 0; i < found_.size(); ++i) {
      if (!found_[i] || plan_.files[i].name != name) continue;
      keep = !entry.link && entry.kind == FileKind::regular && entry.size == plan_.files[i].size;
    }
    if (!keep && may_remove(name)) THAW_RETURN_IF_ERROR(remove_tree(file_system_, path));
  }
  return {};
}

bool PartialDirectory::may_remove(const std::string& name) const { return name != kStateFile; }

// The marks go last, so that a crash in here leaves a directory that is still ours.
Status PartialDirectory::clear() {
  THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(path_));
  for (const bool marks : {false, true}) {
    for (const DirectoryEntry& entry : entries) {
      if (marks != (entry.name == kStateFile || is_part_name(entry.name))) continue;
      THAW_RETURN_IF_ERROR(remove_tree(file_system_, path_ + "/" + entry.name));
    }
  }
  return {};
}

Status PartialDirectory::check_space() const {
  THAW_ASSIGN_OR_RETURN(const FreeSpace space, free_space(file_system_, path_));
  const std::uint64_t need = directory_need(
      plan_, space.block, [this](std::size_t file) { return found_[file].has_value(); });
  if (!space.known || need <= space.available) return {};
  return fail(ErrorCode::no_space, {.file = parent_of(settings_.out), .tensor = {}},
              "not enough space: the output needs " + bytes_text(need) + ", free are " +
                  bytes_text(space.available),
              "Choose an OUT on another disk, or free some space.");
}

Status PartialDirectory::sync_folders_of(std::size_t file) {
  const std::string& name = plan_.files[file].name;
  for (std::size_t slash = name.rfind('/'); slash != std::string::npos && slash != 0;
       slash = name.rfind('/', slash - 1)) {
    THAW_RETURN_IF_ERROR(sync_directory(file_system_, path_ + "/" + name.substr(0, slash)));
  }
  return sync_directory(file_system_, path_);
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
    status = save_run_state(file_system_, path_, state_name_, copy);
    lock.lock();
  }
  saving_ = false;
  return status;
}

}  // namespace thaw
