#include "archive_values.h"

#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "base/text.h"

namespace thaw::app {

namespace {

// All of `word` as a number; nothing if it is none or is too large.
std::optional<std::uint64_t> number(const std::string& word) {
  std::uint64_t value = 0;
  const char* const end = word.data() + word.size();
  const auto [stop, problem] = std::from_chars(word.data(), end, value);
  if (problem != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace

Result<std::uint64_t> archive_mtime() {
  const char* const variable = std::getenv("SOURCE_DATE_EPOCH");
  if (variable == nullptr || *variable == '\0') return std::uint64_t{0};
  constexpr std::uint64_t kMost = 077777777777;  // what a header holds
  const std::optional<std::uint64_t> seconds = number(variable);
  if (seconds && *seconds <= kMost) return *seconds;
  return fail(ErrorCode::usage, {}, "SOURCE_DATE_EPOCH", printable(variable), "seconds since 1970");
}

Status check_output_is_no_terminal(const ConvertOptions& options) {
  if (options.out != "-" || ::isatty(STDOUT_FILENO) == 0) return {};
  return fail(ErrorCode::usage, {}, "standard output is a terminal, which cannot take an archive",
              "Pipe it into a program or redirect it to a file.");
}

}  // namespace thaw::app
