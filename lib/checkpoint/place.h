// From what the user typed to a directory or a file. specs/checkpoint.md clause 1. Internal.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace thaw {

struct ModelPlace {
  std::string directory;
  std::string file;  // of a bare .safetensors file its name, else empty
};

[[nodiscard]] Result<ModelPlace> find_model(const std::string& model);

// An error unless `path` is a regular file or a link to one; says how to repair a download.
[[nodiscard]] Status check_regular_file(const std::string& path);

}  // namespace thaw
