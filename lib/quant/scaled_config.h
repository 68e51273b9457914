// The configs of checkpoints of small floats: quant_method fp8, fbgemm_fp8, modelopt and mxfp4, and
// what auto-round says of them. Internal to lib/quant. Format: specs/scaled_elements.md clause 5.
#pragma once

#include <string_view>

#include "base/status.h"
#include "quant/config.h"
#include "quant/config_places.h"

namespace thaw {

inline constexpr std::string_view kModelOptMethod = "modelopt";

// Of a method and of auto-round's packing, lower case.
[[nodiscard]] bool is_scaled_method(std::string_view method);
[[nodiscard]] bool is_scaled_packing(std::string_view packing_format);

// Adds what the place says to `claims`; what was said first wins. Adds to `errors` what is wrong,
// and what is refused by name.
void read_scaled_config(const ConfigPlace& place, ScaledClaims& claims, ErrorList& errors);

}  // namespace thaw
