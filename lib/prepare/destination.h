// Whether a directory may be made at a place, before anything is written. specs/output.md.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "checkpoint/checkpoint.h"

namespace thaw {

// The resolved path of `out`. Errors, ErrorCode::usage: it exists (without `force`), or is more
// than one checkpoint (with it); it is, contains or lies inside the input; a mount point; an
// ending that promises another kind of output. `base`: a second input, null when there is none.
[[nodiscard]] Result<std::string> check_destination(const std::string& out, bool force,
                                                    const Checkpoint& input,
                                                    const Checkpoint* base = nullptr);

// Where an input is: its directory or its only file, links resolved.
[[nodiscard]] std::string input_place(const Checkpoint& input);

// True when `inner` is `outer` or lies below it. Both are resolved.
[[nodiscard]] bool is_within(std::string_view inner, std::string_view outer);

// The same for a file. Errors, ErrorCode::usage: it exists (without `force`), or is no regular file
// (with it); it lies inside the input, or contains it.
[[nodiscard]] Result<std::string> check_file_destination(const std::string& out, bool force,
                                                         const Checkpoint& input,
                                                         const Checkpoint* base = nullptr);

}  // namespace thaw
