#include "argument_values.h"

#include <charconv>
#include <cstdlib>

#include "base/dtype.h"
#include "base/text.h"
#include "kernels/kernels.h"

namespace thaw::app {

namespace {

Status bad(const std::string& option, const std::string& word, const std::string& expected) {
  return fail(ErrorCode::usage, {}, option, printable(word), expected);
}

}  // namespace

Result<std::optional<Dtype>> dtype_value(const std::string& word) {
  if (word == "auto") return std::optional<Dtype>();
  const std::optional<Dtype> dtype = parse_torch_dtype(word);
  if (!dtype || !is_output_dtype(*dtype)) {
    return bad("--dtype", word, "auto, float16, bfloat16 or float32");
  }
  return dtype;
}

Result<Rounding> rounding_value(const std::string& word) {
  if (word == "exact") return Rounding::exact;
  if (word == "via-float16") return Rounding::via_float16;
  return bad("--rounding", word, "exact or via-float16");
}

Result<std::uint64_t> size_value(const char* option, const std::string& word) {
  const std::optional<std::uint64_t> bytes = parse_bytes(word);
  if (!bytes || *bytes == 0) return bad(option, word, "a size such as 512MB, 5GB or 2GiB");
  return *bytes;
}

Result<unsigned> threads_value(const std::string& word) {
  if (word.empty()) return 0u;
  constexpr unsigned kMost = 4096;
  unsigned threads = 0;
  const char* const end = word.data() + word.size();
  const auto [stop, problem] = std::from_chars(word.data(), end, threads);
  if (problem != std::errc() || stop != end || threads == 0 || threads > kMost) {
    return bad("--threads", word, "a number from 1 to 4096");
  }
  return threads;
}

Result<OutputMode> output_mode_value(const std::string& word) {
  if (word == "auto") return OutputMode::automatic;
  if (word == "buffered") return OutputMode::buffered;
  return bad("--output-io", word, "auto or buffered");
}

Result<ProgressMode> progress_value(const std::string& word) {
  if (word == "auto") return ProgressMode::automatic;
  if (word == "bar") return ProgressMode::bar;
  if (word == "plain") return ProgressMode::plain;
  if (word == "json") return ProgressMode::json;
  if (word == "none") return ProgressMode::none;
  return bad("--progress", word, "auto, bar, plain, json or none");
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
  std::string name = word;
  const char* source = "--isa";
  if (name.empty()) {
    const char* const variable = std::getenv("THAW_ISA");
    if (variable == nullptr || *variable == '\0') return std::string();
    name = variable;
    source = "THAW_ISA";
  }
  bool runs_here = false;
  const bool known = kernels::find_table(name.c_str(), &runs_here) != nullptr;
  if (known && runs_here) return name;
  const std::string which = known ? " (which this processor cannot run)" : "";
  return fail(ErrorCode::usage, {}, source, printable(name) + which, "one of " + available_isas());
}

}  // namespace thaw::app
