// What a verification found, as text for people and as JSON.
#pragma once

#include <string>

#include "verify/verify.h"

namespace thaw::app {

[[nodiscard]] std::string verify_text(const VerifyOptions& options, const VerifyReport& report);
[[nodiscard]] std::string verify_json(const VerifyOptions& options, const VerifyReport& report);

}  // namespace thaw::app
