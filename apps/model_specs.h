// Where the model specs are.
#pragma once

#include <string>

namespace thaw::app {

// THAW_MODELS of the environment, if it is not empty; else share/thaw/models of the installation
// that this program belongs to, if it is there; else that of the source tree it was built from.
[[nodiscard]] std::string model_specs_directory();

}  // namespace thaw::app
