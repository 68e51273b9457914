#include "sink/ownership.h"

#include <optional>
#include <utility>

#include "io/random.h"

namespace thaw {

namespace {

constexpr const char* kMoveHint =
    "Somebody else may have put it there. Have it removed, or choose an OUT in a directory where "
    "only you can write.";

// Shares of a network, FUSE and the like may give every file to the same user.
Result<uid_t> owner_of_new(const Folder& folder) {
  const std::string name = ".thaw-" + random_token() + ".probe";
  uid_t owner = this_user();
  {
    THAW_ASSIGN_OR_RETURN(const Folder probe, folder.make(name, 0700));
    THAW_ASSIGN_OR_RETURN(const Entry entry, probe.self());
    owner = entry.owner;
  }
  THAW_RETURN_IF_ERROR(folder.remove(name));
  return owner;
}

Status take_back(const Folder& work) {
  THAW_ASSIGN_OR_RETURN(const std::vector<Entry> entries, work.list());
  for (const Entry& entry : entries) {
    if (entry.kind == FileKind::directory) {
      THAW_ASSIGN_OR_RETURN(const Folder below, work.enter(entry.name));
      THAW_RETURN_IF_ERROR(take_back(below));
    } else if (entry.kind == FileKind::regular && entry.owner != this_user()) {
      THAW_RETURN_IF_ERROR(
          work.set_access(entry.name, {entry.mode & 0777, this_user(), entry.group}));
    }
  }
  return {};
}

}  // namespace

Status check_own(const Folder& folder, const Entry& entry) {
  if (entry.owner == this_user()) return {};
  const Result<uid_t> made = owner_of_new(folder);
  if (made.ok() && made.value() == entry.owner) return {};
  return fail(ErrorCode::usage, {.file = folder.path_of(entry.name), .tensor = {}},
              "belongs to " + owner_text(entry.owner) + ", not to " + owner_text(this_user()) +
                  " of this run",
              kMoveHint);
}

Result<Lock> take_own_lock(const Folder& folder, const std::string& name, Sharing sharing,
                           mode_t mode) {
  // Before the lock: a stranger could hold it for ever.
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> before, folder.look(name));
  if (before) THAW_RETURN_IF_ERROR(check_own(folder, *before));
  THAW_ASSIGN_OR_RETURN(Lock lock, Lock::take_file(folder, name, sharing, mode));
  THAW_ASSIGN_OR_RETURN(Entry entry, lock.entry(folder.path_of(name)));
  entry.name = name;
  THAW_RETURN_IF_ERROR(check_own(folder, entry));
  if (entry.links != 1) {
    return fail(ErrorCode::usage, {.file = folder.path_of(name), .tensor = {}},
                "is another name of some file", "Remove this name, or choose another OUT.");
  }
  return lock;
}

Status make_private(const Folder& work) {
  THAW_ASSIGN_OR_RETURN(const Entry entry, work.self());
  if (entry.owner != this_user()) THAW_RETURN_IF_ERROR(take_back(work));
  return set_access(work.file_system(), work.descriptor(), work.path(),
                    {(entry.mode & 07000) | 0700, this_user(), entry.group});
}

Status remove_contents(const Folder& folder) {
  THAW_ASSIGN_OR_RETURN(const std::vector<Entry> entries, folder.list());
  for (const Entry& entry : entries) THAW_RETURN_IF_ERROR(folder.remove(entry.name));
  return {};
}

Result<bool> remove_known(const Folder& parent, const std::string& name, std::uint64_t inode) {
  {
    THAW_ASSIGN_OR_RETURN(const Folder folder, parent.enter(name));
    THAW_ASSIGN_OR_RETURN(const Entry entry, folder.self());
    if (entry.inode != inode) return false;
    THAW_RETURN_IF_ERROR(remove_contents(folder));
  }
  THAW_RETURN_IF_ERROR(parent.remove_empty(name));
  return true;
}

}  // namespace thaw
