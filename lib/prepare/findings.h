// What is odd about a model, for warnings and --strict: specs/checkpoint.md clauses 5 to 7.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "prepare/scale_scan.h"
#include "quant/linears.h"

namespace thaw {

// One line each, safe for a terminal: of the model's files and of the base's (null: none), and,
// without a base, which has all parts by itself, of parts that the model seems to lack. Reads
// nothing but what the checkpoints hold.
[[nodiscard]] std::vector<std::string> find_oddities(const Checkpoint& checkpoint,
                                                     const QuantizedLinears& linears,
                                                     const Checkpoint* base);

// Of infinite and NaN scales (clause 7): one line, or nothing where there are none.
[[nodiscard]] std::optional<std::string> find_bad_scales(const Checkpoint& checkpoint,
                                                         std::span<const ScaleFlaws> flaws);

// With --strict: ErrorCode::input with every one of them; ok when there are none.
[[nodiscard]] Status refuse_findings(const std::vector<std::string>& findings);

}  // namespace thaw
