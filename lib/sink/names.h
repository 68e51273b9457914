// The names that thaw gives to its own files and directories while it makes an output: beside OUT,
// and at the top of OUT.partial. specs/output.md clause 6.
#pragma once

#include <string>
#include <string_view>

namespace thaw {

[[nodiscard]] std::string parent_of(const std::string& path);

// In OUT.partial.
constexpr const char* kStateFile = "thaw-state.json";
// The state before it moves beside OUT.partial.
constexpr const char* kAsideInside = "thaw-state.aside";
// Empty directories by which is found out what the file system can do.
constexpr const char* kProbe = "thaw-state.probe";
constexpr const char* kOtherProbe = "thaw-state.probe-2";
// What the name of a file ends in until it is whole.
constexpr const char* kUnfinished = ".unfinished";
// All of these at the top, and the states and locks of parts.
[[nodiscard]] bool is_own_name(std::string_view name);

// Beside OUT: what is added to its name.
constexpr const char* kPartial = ".partial";
constexpr const char* kAside = ".partial-state.json";  // the state while OUT.partial becomes OUT
constexpr const char* kPartsLock = ".partial-lock";
constexpr const char* kBackup = ".backup";
// With the token of the publication behind it: what stood at OUT, and what of it is being removed.
constexpr const char* kReplaced = ".partial-old-";
constexpr const char* kGoing = ".partial-gone-";

}  // namespace thaw
