// config.json of a checkpoint.
#pragma once

#include <string>

#include "layout.h"
#include "model.h"

namespace thaw::tools {

// config.json as the quantizer saves it.
[[nodiscard]] std::string config_json(const ModelShape& model, const PackOptions& options);

}  // namespace thaw::tools
