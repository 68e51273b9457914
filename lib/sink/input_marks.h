// Which input a run read, for the run that continues it: the fingerprint says what is made of it,
// these say that it is still the same. specs/output.md clause 9.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "plan/plan.h"

namespace thaw {

// More inputs are not listed: a state stays small enough to be read again.
constexpr std::size_t kMostMarks = 60'000;

struct InputMark {
  std::string name;  // the file's own, for messages
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const InputMark&, const InputMark&) = default;
};

// Of the inputs of a plan, in its order; none where there are more than kMostMarks.
[[nodiscard]] std::vector<InputMark> input_marks(const PlannedFiles& plan);
// Their sizes and modification times as one number: the same on every machine that sees the files.
[[nodiscard]] std::string input_digest(const PlannedFiles& plan);

// The files of two runs of one plan. Size and modification time must be the same; where both ran on
// one machine and a file has the inode that it had, its change time too. Errors: ErrorCode::usage,
// which names `directory` and the first file that differs.
[[nodiscard]] Status check_input_marks(const std::string& directory,
                                       const std::vector<InputMark>& before,
                                       const std::vector<InputMark>& now, bool same_host);

// "size:modified:changed:inode", since JSON numbers do not hold 64 bits everywhere.
[[nodiscard]] std::string mark_text(const InputMark& mark);
// False where the text is malformed; leaves the name as it is.
[[nodiscard]] bool parse_mark(std::string_view text, InputMark& mark);

}  // namespace thaw
