// Every option of a conversion by its long name: what the command line parses and --help shows,
// and what a job file may hold. The one place where an option is added. specs/cli.md clause 2.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "prepare/options.h"

namespace thaw {

// Where an option means something.
enum class Scope : std::uint8_t {
  result,   // it decides the result, or how fast it is made: wherever there is one
  writing,  // where and how output is written: not of what is only read (view/thaw.h)
  by_hand,  // likewise, and not of job files
};

struct OptionEntry {
  std::string_view name;       // "max-shard-size"
  std::string_view value;      // what its value is called: "SIZE"; empty: a switch
  std::string_view otherwise;  // the value when it is not given, empty: none
  std::string_view help;
  // Sets it from a word of the user's; of a switch the word is "true" or "false". Errors:
  // ErrorCode::usage, which names the option.
  Status (*apply)(ConvertOptions& options, const std::string& word);
  Scope scope = Scope::result;
};

// In the order of --help.
[[nodiscard]] std::span<const OptionEntry> option_table();
// Null when there is none of that name.
[[nodiscard]] const OptionEntry* find_option(std::string_view name);

}  // namespace thaw
