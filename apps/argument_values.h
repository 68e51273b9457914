// The values of options: from words to types. Errors: ErrorCode::usage.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "arguments.h"

namespace thaw::app {

[[nodiscard]] Result<std::optional<Dtype>> dtype_value(const std::string& word);
[[nodiscard]] Result<Rounding> rounding_value(const std::string& word);
[[nodiscard]] Result<std::uint64_t> size_value(const char* option, const std::string& word);
[[nodiscard]] Result<unsigned> threads_value(const std::string& word);
[[nodiscard]] Result<OutputMode> output_mode_value(const std::string& word);
[[nodiscard]] Result<ProgressMode> progress_value(const std::string& word);
// `word` is --isa's; when it is empty, THAW_ISA of the environment; when that is empty too, the
// empty string. A name that this program or this processor does not know is an error.
[[nodiscard]] Result<std::string> isa_value(const std::string& word);

// "avx512, avx2, ssse3, scalar": what this processor can run, the best first.
[[nodiscard]] std::string available_isas();

}  // namespace thaw::app
