#include "argument_values.h"

#include <charconv>
#include <cstdlib>
#include <utility>

#include "base/nearest.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include "prepare/option_table.h"

namespace thaw::app {

namespace {

Status bad(const std::string& option, const std::string& word, const std::string& expected) {
  return fail(ErrorCode::usage, {}, option, printable(word), expected);
}

}  // namespace

Result<std::uint64_t> size_value(const char* option, const std::string& word) {
  const std::optional<std::uint64_t> bytes = parse_bytes(word);
  if (!bytes || *bytes == 0) return bad(option, word, "a size such as 512MB, 5GB or 2GiB");
  return *bytes;
}

Result<unsigned> count_value(const char* option, const std::string& word) {
  constexpr unsigned kMost = 4096;
  unsigned count = 0;
  const char* const end = word.data() + word.size();
  const auto [stop, problem] = std::from_chars(word.data(), end, count);
  if (problem != std::errc() || stop != end || count == 0 || count > kMost) {
    return bad(option, word, "a number from 1 to 4096");
  }
  return count;
}

Result<unsigned> threads_value(const std::string& word) {
  if (word.empty()) return 0u;
  return count_value("--threads", word);
}

Status apply_option(ConvertOptions& options, const char* name, const std::string& word) {
  return word.empty() ? Status() : find_option(name)->apply(options, word);
}

Result<ProgressMode> progress_value(const std::string& word) {
  if (word == "auto") return ProgressMode::automatic;
  if (word == "bar") return ProgressMode::bar;
  if (word == "plain") return ProgressMode::plain;
  if (word == "json") return ProgressMode::json;
  if (word == "none") return ProgressMode::none;
  Error error = make_error(
      ErrorCode::usage, {},
      "--progress: got " + printable(word) + ", expected auto, bar, plain, json or none");
  error.hint = did_you_mean(word, {"auto", "bar", "plain", "json", "none"}, "--progress ");
  return Status(std::move(error));
}

std::string available_isas() {
  const kernels::TableList list = kernels::available_tables();
  std::string names;
  for (std::size_t i = 0; i < list.count; ++i) {
    if (!names.empty()) names += ", ";
    names += list.tables[i]->name;
  }
  return names;
}

Result<std::string> isa_value(const std::string& word) {
  ConvertOptions options;
  THAW_RETURN_IF_ERROR(apply_option(options, "isa", word));
  if (!options.isa.empty()) return options.isa;
  const char* const name = std::getenv("THAW_ISA");
  if (name == nullptr || *name == '\0') return std::string();
  bool runs_here = false;
  const bool known = kernels::find_table(name, &runs_here) != nullptr;
  if (known && runs_here) return std::string(name);
  const std::string which = known ? " (which this processor cannot run)" : "";
  return fail(ErrorCode::usage, {}, "THAW_ISA", printable(name) + which,
              "one of " + available_isas());
}

}  // namespace thaw::app
