// quantization_config in all its spellings and places. Format: specs/awq.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"
#include "checkpoint/checkpoint.h"

namespace thaw {

struct QuantConfig {
  std::string source;  // "config.json: text_config.quantization_config"; empty: found nowhere
  std::string method;  // quant_method, lower case; "awq" when missing
  std::string version;  // lower case; "gemm" when missing
  std::optional<std::int64_t> bits;
  std::optional<std::int64_t> group_size;  // -1: one group over in_features
  std::optional<bool> zero_point;
  bool llm_awq = false;  // backend is "llm-awq"
};

[[nodiscard]] Result<QuantConfig> read_quant_config(const Checkpoint& checkpoint);

}  // namespace thaw
