// quantization_config in all its spellings and places. Format: specs/awq.md clause 7,
// specs/compressed_tensors.md clause 6.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"

namespace thaw {

// What compressed-tensors says of one group of modules (config_groups); unsaid members may be
// anything.
struct CompressedGroup {
  std::optional<std::int64_t> bits;        // 4 or 8
  std::optional<std::int64_t> group_size;  // -1: one group over in_features
  std::optional<bool> symmetric;

  [[nodiscard]] bool operator==(const CompressedGroup&) const = default;
};

// What the configs of a checkpoint say. They are claims: the tensors decide (specs/awq.md
// clause 8), except for the group size of layouts that pad their scales.
struct QuantConfig {
  // "config.json: text_config.quantization_config", safe for a terminal; empty: nowhere.
  std::string source;
  std::string method = "awq";              // quant_method, lower case; "awq" when not said
  std::string version = "gemm";            // lower case; "gemm" when not said
  std::optional<std::int64_t> bits;        // 4 where it is said
  std::optional<std::int64_t> group_size;  // -1: one group over in_features
  std::optional<bool> zero_point;
  bool llm_awq = false;                     // the backend or the version is "llm-awq"
  std::vector<CompressedGroup> compressed;  // of compressed-tensors, those that are pack-quantized
  std::vector<std::string> warnings;        // safe for a terminal
};

// Larger than any in_features there is; beyond it a group size is damage.
inline constexpr std::int64_t kLargestGroup = std::int64_t{1} << 20;

// What AutoAWQ assumes where no config says it.
inline constexpr std::int64_t kDefaultGroupSize = 128;

// Errors: ErrorCode::input (a wrong type or range, a method that this version does not read).
[[nodiscard]] Result<QuantConfig> read_quant_config(const Checkpoint& checkpoint);

}  // namespace thaw
