// The second half of PartialDirectory: OUT.partial becomes OUT.
//
// The state must not be in OUT, and OUT.partial must be recognised at every moment before it has
// become OUT. So the state moves aside first: it is written, durable, to OUT.partial-state.json,
// with the identities of the two directories, and then removed inside. After a crash those
// identities tell, whatever the names are now, what has happened and what is left to do:
//
//   OUT.partial is the new directory   nothing has happened: the state goes back inside
//   OUT.partial is the old one         exchanged: it becomes the backup, or is removed
//   OUT.partial is not there           published: the state aside is removed

#include <utility>

#include "io/directory.h"
#include "sink/part_files.h"
#include "sink/partial_directory.h"

namespace thaw {

namespace {

// Whether `backup` is the old directory, which that run was about to remove.
Result<bool> was_to_be_removed(FileSystem& file_system, const Publication& publication,
                               const std::string& backup) {
  if (!publication.backup || publication.keep || !publication.old) return false;
  if (backup.empty() || !exists(backup)) return false;
  THAW_ASSIGN_OR_RETURN(const DirectoryIdentity found, identify_directory(file_system, backup));
  return found == *publication.old;
}

}  // namespace

Status PartialDirectory::publish() {
  Publication publication{
      .fresh = {}, .old = {}, .backup = !settings_.backup.empty(), .keep = settings_.keep_backup};
  THAW_ASSIGN_OR_RETURN(publication.fresh, identify_directory(file_system_, path_));
  std::optional<Lock> old_lock;
  if (settings_.replace && exists(settings_.out)) {
    // Under the name OUT.partial it must not look free to another run.
    THAW_ASSIGN_OR_RETURN(old_lock, Lock::take_directory(file_system_, settings_.out));
    THAW_ASSIGN_OR_RETURN(publication.old, identify_directory(file_system_, settings_.out));
  }
  state_.publication = publication;
  THAW_RETURN_IF_ERROR(put_aside());

  const std::string parent = parent_of(settings_.out);
  if (publication.old) {
    THAW_RETURN_IF_ERROR(exchange_paths(file_system_, path_, settings_.out));
  } else {
    THAW_RETURN_IF_ERROR(rename_path(file_system_, path_, settings_.out));
  }
  published_ = true;
  THAW_RETURN_IF_ERROR(sync_directory(file_system_, parent));
  if (publication.old) THAW_RETURN_IF_ERROR(put_away_old(publication));
  THAW_RETURN_IF_ERROR(remove_aside());
  return parts_lock_ ? remove_tree(file_system_, parts_lock_path(settings_.out)) : Status();
}

Status PartialDirectory::put_aside() {
  const std::string aside = aside_path();
  const std::size_t name = aside.rfind('/') + 1;
  THAW_RETURN_IF_ERROR(save_run_state(file_system_, parent_of(aside), aside.substr(name), state_));
  THAW_RETURN_IF_ERROR(remove_states());
  return sync_directory(file_system_, path_);
}

Status PartialDirectory::remove_states() {
  return remove_tree(file_system_, path_ + "/" + kStateFile);
}

Status PartialDirectory::remove_aside() {
  THAW_RETURN_IF_ERROR(remove_tree(file_system_, aside_path()));
  return sync_directory(file_system_, parent_of(settings_.out));
}

// The old checkpoint carries the temporary name now.
Status PartialDirectory::put_away_old(const Publication& publication) {
  if (!publication.backup) return remove_tree(file_system_, path_);
  THAW_RETURN_IF_ERROR(rename_path(file_system_, path_, settings_.backup));
  THAW_RETURN_IF_ERROR(sync_directory(file_system_, parent_of(settings_.backup)));
  return publication.keep ? Status() : remove_tree(file_system_, settings_.backup);
}

// What a run that ended in publish() has left: false when OUT.partial is another directory now.
Result<bool> PartialDirectory::settle_publication() {
  const std::string aside = aside_path();
  if (!exists(aside)) return true;
  const auto refuse = [](const std::string& path, std::string_view what, std::string_view hint) {
    return fail(ErrorCode::usage, {.file = path, .tensor = {}}, what, hint);
  };
  const Result<RunState> state = load_run_state(file_system_, aside);
  if (!state.ok() || !state.value().publication) {
    return refuse(aside, "exists and is not what thaw writes there",
                  "Look at OUT and OUT.partial, then remove this file.");
  }
  const Publication& publication = *state.value().publication;
  THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(path_));
  if (entries.empty()) {
    THAW_RETURN_IF_ERROR(finish_backup(publication));
    THAW_RETURN_IF_ERROR(remove_aside());
    return true;
  }
  THAW_ASSIGN_OR_RETURN(const DirectoryIdentity partial, identify_directory(file_system_, path_));
  if (partial == publication.fresh) {
    RunState inside = state.value();
    inside.publication.reset();
    THAW_RETURN_IF_ERROR(save_run_state(file_system_, path_, kStateFile, inside));
    THAW_RETURN_IF_ERROR(remove_aside());
    return true;
  }
  if (partial != publication.old) {
    return refuse(path_, "is neither what an earlier run wrote nor what it replaced",
                  "Look at it and at OUT, then move it away and remove " + aside + ".");
  }
  if (publication.backup && settings_.backup.empty()) {
    return refuse(path_, "is what stood at OUT before an earlier run replaced it",
                  "Give it another name to keep it, then remove " + aside + ".");
  }
  THAW_RETURN_IF_ERROR(put_away_old(publication));
  THAW_RETURN_IF_ERROR(remove_aside());
  return false;
}

// The crash may have come while the backup was being removed.
Status PartialDirectory::finish_backup(const Publication& publication) {
  THAW_ASSIGN_OR_RETURN(const bool left,
                        was_to_be_removed(file_system_, publication, settings_.backup));
  return left ? remove_tree(file_system_, settings_.backup) : Status();
}

void PartialDirectory::remove() {
  static_cast<void>(remove_tree(file_system_, path_));
  if (exists(aside_path())) static_cast<void>(remove_tree(file_system_, aside_path()));
  if (parts_lock_) static_cast<void>(remove_tree(file_system_, parts_lock_path(settings_.out)));
}

bool is_left_behind(FileSystem& file_system, const std::string& out, const std::string& backup) {
  const Result<RunState> state = load_run_state(file_system, out + kAside);
  if (!state.ok() || !state.value().publication) return false;
  const Result<bool> left = was_to_be_removed(file_system, *state.value().publication, backup);
  return left.ok() && left.value();
}

Status tidy_published(FileSystem& file_system, const std::string& out) {
  const std::string aside = out + kAside;
  if (!exists(aside) || exists(out + ".partial")) return {};
  THAW_RETURN_IF_ERROR(remove_tree(file_system, aside));
  return sync_directory(file_system, parent_of(out));
}

}  // namespace thaw
