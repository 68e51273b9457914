// What belongs to the user of this run, in a folder where others may make and rename things too.
// specs/safety.md clause 11.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "io/folder.h"
#include "io/lock.h"

namespace thaw {

// ErrorCode::usage where what has this name in `folder` belongs to somebody else; the message says
// to whom. Where the file system gives all that is made to one user, as it likes, that one is this.
[[nodiscard]] Status check_own(const Folder& folder, const Entry& entry);

// Lock::take_file(), of a file that is this user's and has no other name.
[[nodiscard]] Result<Lock> take_own_lock(const Folder& folder, const std::string& name,
                                         Sharing sharing = Sharing::exclusive, mode_t mode = 0600);

// Takes all that is in `work` back, and closes it to others, as far as the file system has modes.
[[nodiscard]] Status make_private(const Folder& work);

[[nodiscard]] Status remove_contents(const Folder& folder);
// Removes a directory and all below it. False, and nothing is touched, if it is not the one of that
// inode. Errors: ErrorCode::io.
[[nodiscard]] Result<bool> remove_known(const Folder& parent, const std::string& name,
                                        std::uint64_t inode);

}  // namespace thaw
