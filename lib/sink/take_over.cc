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
#include "sink/partial_directory.h"
#include "sink/space.h"

namespace thaw {

namespace {

constexpr const char* kRestartHint = "Start over with --restart, or remove it.";

Status refuse(const std::string& path, std::string_view what, std::string_view hint) {
  return fail(ErrorCode::usage, {.file = path, .tensor = {}}, what, hint);
}

// A file of that name would be taken for a mark or an unfinished file of ours.
Status check_names(const Plan& plan) {
  std::set<std::string> taken = {kStateFile, kNewStateFile};
  for (const PlannedFile& file : plan.files) taken.insert(file.name + kUnfinished);
  for (const PlannedFile& file : plan.files) {
    if (taken.count(file.name) == 0) continue;
    return fail(ErrorCode::input, {.file = file.name, .tensor = {}},
                "has a name that thaw needs for itself while it writes",
                "Rename or remove this file of the input.");
  }
  return {};
}

}  // namespace

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

PartialDirectory::PartialDirectory(FileSystem& file_system, const Plan& plan,
                                   DirectorySettings settings)
    : file_system_(file_system),
      plan_(plan),
      settings_(std::move(settings)),
      path_(settings_.out + ".partial"),
      found_(plan.files.size()) {}

Result<std::unique_ptr<PartialDirectory>> PartialDirectory::open(
    FileSystem& file_system, const Plan& plan, const DirectorySettings& settings) {
  std::unique_ptr<PartialDirectory> directory(new PartialDirectory(file_system, plan, settings));
  if (Status status = directory->start(); !status.ok()) {
    // Leaves no empty directory behind; one with something in it stays, and so does another run's.
    if (status.error().code != ErrorCode::locked) {
      static_cast<void>(file_system.rmdir(directory->path_.c_str()));
    }
    return status;
  }
  return directory;
}

Status PartialDirectory::start() {
  THAW_RETURN_IF_ERROR(check_names(plan_));
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
  state_.fingerprint = plan_.fingerprint;
  state_.holder = this_run();
  state_.holder.host = printable(state_.holder.host);
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (!found_[i]) continue;
    state_.files.push_back({plan_.files[i].name, plan_.files[i].size, *found_[i]});
  }
  THAW_RETURN_IF_ERROR(save_run_state(file_system_, path_, kStateFile, state_));
  return sync_directory(file_system_, parent_of(path_));
}

Status PartialDirectory::take_lock() {
  if (is_link(path_)) {
    return refuse(path_, "is a symbolic link", "Remove it, or choose another OUT.");
  }
  THAW_RETURN_IF_ERROR(make_directories(file_system_, path_));
  Result<PathLock> lock = PathLock::take(file_system_, path_);
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
  if (std::none_of(entries.begin(), entries.end(), is_called(kStateFile))) {
    return refuse(path_, "exists and was not made by thaw", "Move it away, or choose another OUT.");
  }
  if (settings_.restart) return clear();
  Result<RunState> state = load_run_state(file_system_, path_ + "/" + kStateFile);
  const bool continues = state.ok() && state.value().fingerprint == plan_.fingerprint;
  if (!continues && settings_.drop_foreign) return clear();
  if (!state.ok()) {
    Error error = std::move(state).take_status().take_error();
    if (error.code == ErrorCode::input) error.code = ErrorCode::usage;
    error.hint = kRestartHint;
    return Status(std::move(error));
  }
  if (!continues) {
    Error error =
        make_error(ErrorCode::usage, {.file = path_, .tensor = {}},
                   "holds a conversion of other input or with other options: got "
                   "fingerprint " +
                       printable(state.value().fingerprint) + ", expected " + plan_.fingerprint);
    error.hint = "Repeat that run as it was, or start over with --restart.";
    return Status(std::move(error));
  }
  if (Status matched = match_files(state.value()); !matched.ok()) {
    return settings_.drop_foreign ? clear() : std::move(matched);
  }
  THAW_RETURN_IF_ERROR(clean(path_, ""));
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (found_[i] && !exists(path_ + "/" + plan_.files[i].name)) found_[i].reset();
  }
  return {};
}

// Names that are not the plan's and sizes that it does not give them are lies.
Status PartialDirectory::match_files(const RunState& state) {
  std::map<std::string_view, std::size_t> files;
  for (std::size_t i = 0; i < plan_.files.size(); ++i) files.emplace(plan_.files[i].name, i);
  for (const FinishedFile& finished : state.files) {
    const auto at = files.find(finished.name);
    if (at == files.end() || plan_.files[at->second].size != finished.size) {
      found_.assign(found_.size(), std::nullopt);
      return refuse(path_ + "/" + kStateFile,
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
    if (prefix.empty() && name == kStateFile) continue;
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
    if (!keep) THAW_RETURN_IF_ERROR(remove_tree(file_system_, path));
  }
  return {};
}

// The mark goes last, so that a crash in here leaves a directory that is still ours.
Status PartialDirectory::clear() {
  THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(path_));
  for (const DirectoryEntry& entry : entries) {
    if (entry.name == kStateFile) continue;
    THAW_RETURN_IF_ERROR(remove_tree(file_system_, path_ + "/" + entry.name));
  }
  return remove_tree(file_system_, path_ + "/" + kStateFile);
}

Status PartialDirectory::check_space() const {
  THAW_ASSIGN_OR_RETURN(const FreeSpace space, free_space(file_system_, path_));
  const std::uint64_t need = directory_need(
      plan_, space.block, [this](std::size_t file) { return found_[file].has_value(); });
  if (need <= space.available) return {};
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
    status = save_run_state(file_system_, path_, kStateFile, copy);
    lock.lock();
  }
  saving_ = false;
  return status;
}

}  // namespace thaw
