// What a run writes down about itself, for the run that comes after it: specs/output.md clause 6.
// Only what is durable is in it. Reading one is reading hostile input.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "io/directory.h"
#include "io/file_system.h"
#include "io/process.h"
#include "sink/input_marks.h"

namespace thaw {

constexpr const char* kStateFile = "thaw-state.json";
// Where the state is made before it is renamed.
constexpr const char* kNewStateFile = "thaw-state.json.new";
// What the name of a file ends in until it is whole.
constexpr const char* kUnfinished = ".unfinished";

// More files are not listed: a text stays small enough to be read again.
constexpr std::size_t kMostListedFiles = 60'000;

// A file that is whole and durable under its own name.
struct FinishedFile {
  std::string name;
  std::uint64_t size = 0;
  std::uint32_t crc32 = 0;
};

// Set once all is durable and the directory is about to get its own name.
struct Publication {
  DirectoryIdentity fresh;               // what becomes OUT
  std::optional<DirectoryIdentity> old;  // what stood there
  bool backup = false;                   // the old one is renamed first, and stays if `keep`
  bool keep = false;
};

struct RunState {
  std::string fingerprint;
  RunIdentity holder;             // of the latest run
  std::vector<InputMark> inputs;  // what it reads; empty where there are too many
  std::vector<FinishedFile> files;
  unsigned parts = 0;     // of how many parts it is one, or all; 0: of a run without parts
  bool complete = false;  // of a part: every file of it is finished
  std::optional<Publication> publication;
};

[[nodiscard]] std::string run_state_text(const RunState& state);
// Errors: ErrorCode::input.
[[nodiscard]] Result<RunState> parse_run_state(std::string_view path, std::string_view text);

// Replaces `directory`/`name` in one step; durable on return.
[[nodiscard]] Status save_run_state(FileSystem& file_system, const std::string& directory,
                                    const std::string& name, const RunState& state);
// Whether the inputs of `plan` are those that `state` was written for; `directory` is for the
// message. Errors: ErrorCode::usage.
[[nodiscard]] Status check_inputs_of(const RunState& state, const PlannedFiles& plan,
                                     const std::string& directory);
[[nodiscard]] Result<RunState> load_run_state(FileSystem& file_system, const std::string& path);

}  // namespace thaw
