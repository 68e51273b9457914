// What a MODEL that is not there may have been meant as. specs/cli.md clause 1.6. Internal.
#pragma once

#include <string>

namespace thaw {

// "Did you mean models/qwen2-awq? ", with a space behind it, or nothing: a path whose names are
// near those of `model`, or a model in the local cache of the hub. Reads directories, no files.
[[nodiscard]] std::string near_model(const std::string& model);

}  // namespace thaw
