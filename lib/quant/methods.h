// Which quantization methods this version reads. The only place that knows: a further method is
// added here and to the list in layouts.cc. Internal to lib/quant. Format: specs/awq.md clause 7.
#pragma once

#include <string>
#include <string_view>

#include "quant/config.h"

namespace thaw {

// What a config says about how it packed, lower case; empty where it says nothing.
struct MethodClaim {
  std::string method;
  std::string packing_format;  // of auto-round
  std::string backend;
  std::string checkpoint_format;  // of GPTQ
  bool says_layout = false;       // a version, as AWQ has it
};

// Why this version does not read such a checkpoint; empty when it does.
[[nodiscard]] std::string refuse_method(const MethodClaim& claim);

// Of a claim that is not refused.
[[nodiscard]] Packing packing_of(const MethodClaim& claim);

// Whether `version` (lower case) is one of kVersionsText.
[[nodiscard]] bool is_known_version(std::string_view version);
extern const std::string_view kVersionsText;

// What to tell a user whose checkpoint is of another method.
extern const std::string_view kMethodsHint;
inline constexpr std::string_view kBnbMethod = "bitsandbytes";

// ASCII only.
[[nodiscard]] std::string lower_case(std::string_view text);

}  // namespace thaw
