// A directory that replaces another one is as open or as private as that was: specs/output.md
// clause 6.8.
#pragma once

#include <string>

#include "base/status.h"
#include "io/folder.h"

namespace thaw {

// Gives `work`, and what is in it, the modes and, where allowed, owners of what has the same names
// in `old`, a directory in `parent`. What is new there is no more open than the most open file
// beside it, and belongs to the owner of its folder. Where there is no `old`, `work` gets the mode
// of any new directory.
[[nodiscard]] Status carry_over(const Folder& work, const Folder& parent, const std::string& old);

}  // namespace thaw
