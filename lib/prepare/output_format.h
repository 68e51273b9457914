// What kind of output is asked for: a directory, an archive, or one shard as it is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "plan/memory.h"
#include "plan/plan.h"
#include "prepare/options.h"

namespace thaw {

constexpr std::string_view kStandardOutput = "-";

// Nothing: a directory. Errors, ErrorCode::usage: OUT and `to` disagree, and options that belong to
// another kind of output.
[[nodiscard]] Result<std::optional<StreamFormat>> choose_format(const ConvertOptions& options);
[[nodiscard]] std::string_view format_name(
    std::optional<StreamFormat> format);  // as --to spells it

// The top folder. Errors: ErrorCode::usage.
[[nodiscard]] Result<std::string> choose_archive_root(const ConvertOptions& options,
                                                      const Checkpoint& checkpoint);

// Of a plan of shards only. Errors: ErrorCode::usage when there is more than one.
[[nodiscard]] Status check_only_shard(const Plan& plan);

// plan_memory for this format; an error says which level would fit.
[[nodiscard]] Result<MemoryPlan> plan_memory_for(const Plan& plan, MemoryRequest request,
                                                 std::optional<StreamFormat> format, int level);

}  // namespace thaw
