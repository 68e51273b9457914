// --part and --finish: from words and the scheduler's variables to a part. specs/parts.md clause 1.
#pragma once

#include <functional>
#include <string>

#include "base/status.h"
#include "prepare/options.h"

namespace thaw {

// Of the environment: null where there is none of that name.
using Variable = std::function<const char*(const char* name)>;

// "2/8", "auto" (a task of a Slurm array) or "auto/8" (a pod of an indexed Kubernetes Job). Errors:
// ErrorCode::usage.
[[nodiscard]] Result<Part> parse_part(const std::string& word, const Variable& variable);

// ErrorCode::usage: options that do not go with parts. `format`: as choose_format() says.
[[nodiscard]] Status check_part_options(const ConvertOptions& options,
                                        std::optional<StreamFormat> format);

}  // namespace thaw
