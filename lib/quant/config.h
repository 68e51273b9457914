// quantization_config in all its spellings and places. Format: specs/awq.md clause 7,
// specs/compressed_tensors.md clause 6, specs/gptq.md clause 5, specs/scaled_elements.md clause 5.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "quant/overrides.h"
#include "quant/targets.h"

namespace thaw {

// How a format of compressed-tensors stores codes: in words, several in each, as signed bytes, or
// as small floats.
enum class CodeForm : std::uint8_t { unsaid, words, bytes, elements };

// What compressed-tensors says of one group of modules (config_groups); unsaid members may be
// anything.
struct CompressedGroup {
  std::optional<std::int64_t> bits;        // 1 to 8
  std::optional<std::int64_t> group_size;  // -1: one group over in_features
  std::optional<bool> symmetric;
  CodeForm form = CodeForm::unsaid;
  std::int64_t block_rows = 1;  // rows that share scales; more than 1: by block of the weight

  [[nodiscard]] bool operator==(const CompressedGroup&) const = default;
};

// Which family of layouts the config claims; gptq_v2 stores zero points as they are, gptq (v1)
// less one.
enum class Packing : std::uint8_t { unsaid, awq, gptq, gptq_v2, small_floats };

// What configs of small floats say (specs/scaled_elements.md clause 5).
struct ScaledClaims {
  std::optional<std::array<std::uint64_t, 2>> block;  // rows, columns that share a scale
  bool inverse = false;                               // scales divide
};

// What MLX says of its codes; 0: not said.
struct MlxClaim {
  std::int64_t bits = 0;
  std::int64_t group_size = 0;
  std::string mode = "affine";
};

struct MlxConfig {
  bool said = false;
  MlxClaim all;
  std::map<std::string, MlxClaim, std::less<>> modules;  // that differ
  [[nodiscard]] const MlxClaim& claim_of(std::string_view module) const;
};

// What the configs of a checkpoint say. They are claims: the tensors decide (specs/awq.md
// clause 8), except for the group size of layouts that pad their scales.
struct QuantConfig {
  // "config.json: text_config.quantization_config", safe for a terminal; empty: nowhere.
  std::string source;
  std::string method = "awq";    // quant_method, lower case; "awq" when not said
  std::string version = "gemm";  // lower case; "gemm" when not said
  Packing packing = Packing::unsaid;
  std::optional<std::int64_t> bits;        // 4 where it is said; 8 too, but for AWQ
  std::optional<std::int64_t> group_size;  // -1: one group over in_features
  std::optional<bool> zero_point;
  std::optional<bool> symmetric;  // `sym`, which means nothing for AWQ
  Overrides overrides;
  bool llm_awq = false;                     // the backend or the version is "llm-awq"
  std::vector<CompressedGroup> compressed;  // of compressed-tensors, those that are read
  Targets targets;                          // which modules those groups are for
  ScaledClaims scaled;                      // of small floats
  bool fused_transforms = false;            // rotations, all of them part of the weights
  MlxConfig mlx;
  bool planes = false;                // gptq_p: codes of 3, 5, 6 and 7 bits are cut
  bool says_format = false;           // the format of GPTQ, or the packing of auto-round
  std::vector<std::string> warnings;  // safe for a terminal

  // What is said of one module, else of all.
  [[nodiscard]] ModuleClaims claims_of(std::string_view module) const;
};

// Larger than any in_features there is; beyond it a group size is damage.
inline constexpr std::int64_t kLargestGroup = std::int64_t{1} << 20;

// What AutoAWQ assumes where no config says it.
inline constexpr std::int64_t kDefaultGroupSize = 128;

// Errors: ErrorCode::input (a wrong type or range, a method that this version does not read).
[[nodiscard]] Result<QuantConfig> read_quant_config(const Checkpoint& checkpoint);

}  // namespace thaw
