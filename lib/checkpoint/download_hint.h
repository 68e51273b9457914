// What to do about a download that did not end well. specs/checkpoint.md clause 1.7. Internal.
#pragma once

#include <string>
#include <string_view>

namespace thaw {

// About a file that is missing, empty or cut off at `path`: the command that fetches it, by name
// where the path lies in the hub's cache, and whether a download was interrupted there. Reads the
// names of directories.
[[nodiscard]] std::string download_hint(std::string_view path);

// Whether `text`, the beginning of a file, is that of a pointer which Git LFS leaves in its place.
[[nodiscard]] bool is_lfs_pointer(std::string_view text);

}  // namespace thaw
