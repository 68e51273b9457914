// Where the model specs are, for a library that no command line told. Private to lib/view.
#pragma once

#include <string>

namespace thaw {

// THAW_MODELS of the environment, if it is not empty; else share/thaw/models beside or above the
// directory of the file that this code was loaded from; else that of the source tree it was built
// from.
[[nodiscard]] std::string model_specs_beside();

}  // namespace thaw
