// The config of MLX: "quantization" in config.json, with overrides for single modules. Internal to
// lib/quant. Format: specs/mlx.md clause 3.
#pragma once

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "quant/config.h"

namespace thaw {

inline constexpr std::string_view kMlxMethod = "mlx";

// Nothing: no config of MLX is there. Adds to `errors` what is wrong with one.
[[nodiscard]] MlxConfig read_mlx_config(const Checkpoint& checkpoint, ErrorList& errors);

}  // namespace thaw
