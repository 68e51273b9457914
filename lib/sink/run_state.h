// What a run writes down about itself, for the run that comes after it: specs/output.md clause 6.
// Only what is durable is in it. Reading one is reading hostile input.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "io/folder.h"
#include "io/process.h"
#include "sink/input_marks.h"
#include "sink/names.h"

namespace thaw {

// More files are not listed: a text stays small enough to be read again.
constexpr std::size_t kMostListedFiles = 60'000;

// A file that is whole and durable under its own name.
struct FinishedFile {
  std::string name;
  std::uint64_t size = 0;
  std::uint32_t crc32 = 0;
};

// How a directory is known again by a later run, which may see it under another device number.
struct Known {
  std::string likeness;     // Likeness::text
  std::uint64_t inode = 0;  // tells two apart that are alike
  friend bool operator==(const Known&, const Known&) = default;
};

// Set once all is durable and the directory is about to get its own name.
struct Publication {
  std::string token;         // ours: in the names of what is on its way out
  Known fresh;               // what becomes OUT
  std::optional<Known> old;  // what stands there; without it nothing, or an empty directory
  bool keep = false;         // the old one becomes OUT.backup
  std::string purpose;       // DirectorySettings::purpose
};

struct RunState {
  std::string fingerprint;
  RunIdentity holder;             // of the latest run
  std::vector<InputMark> inputs;  // what it reads; empty where there are too many
  std::vector<FinishedFile> files;
  unsigned parts = 0;     // of how many parts it is one, or all; 0: of a run without parts
  bool complete = false;  // of a part: every file of it is finished
  std::string token;      // once it moves aside: that of its publication
  std::optional<Publication> publication;
};

// ": process 7 on host, since ...", for who waits for it.
[[nodiscard]] std::string holder_text(const RunState& state);

[[nodiscard]] std::string run_state_text(const RunState& state);
// Errors: ErrorCode::input.
[[nodiscard]] Result<RunState> parse_run_state(std::string_view path, std::string_view text);

// Replaces the file in one step; durable on return.
[[nodiscard]] Status save_run_state(const Folder& folder, const std::string& name,
                                    const RunState& state);
[[nodiscard]] Result<RunState> load_run_state(const Folder& folder, const std::string& name);
// Whether the inputs are those that `state` was written for; `directory` is for the message.
// Errors: ErrorCode::usage.
[[nodiscard]] Status check_inputs_of(const RunState& state, const std::vector<InputMark>& inputs,
                                     const std::string& directory);

}  // namespace thaw
