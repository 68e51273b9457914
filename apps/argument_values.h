// The values of options: from words to types. Errors: ErrorCode::usage.
#pragma once

#include <cstdint>
#include <string>

#include "arguments.h"

namespace thaw::app {

[[nodiscard]] Result<std::uint64_t> size_value(const char* option, const std::string& word);
[[nodiscard]] Result<unsigned> count_value(const char* option, const std::string& word);
// Nothing given is 0.
[[nodiscard]] Result<unsigned> threads_value(const std::string& word);
[[nodiscard]] Result<ProgressMode> progress_value(const std::string& word);
// THAW_ISA of the environment; the empty string when it is unset or empty. A name that this program
// or this processor does not know is an error.
[[nodiscard]] Result<std::string> isa_of_environment();

// The conversion's option of that name; an empty word sets nothing.
[[nodiscard]] Status apply_option(ConvertOptions& options, const char* name,
                                  const std::string& word);

// "avx512, avx2, ssse3, scalar": what this processor can run, the best first.
[[nodiscard]] std::string available_isas();

}  // namespace thaw::app
