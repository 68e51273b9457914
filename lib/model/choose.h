// Which spec a model needs: the one that the user names, or the one that serves its type.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "io/file_system.h"
#include "model/spec.h"

namespace thaw {

// `name`: the path of a spec file (it holds a '/' or ends in .json), a spec's name, or a type that
// a spec serves; empty: the spec that serves `model_type` (of config.json; empty: it says none).
// `directory` is where the specs are; not read for a path, must not be empty otherwise. Errors,
// ErrorCode::input: no such spec, with the nearest names; and all that is wrong with a file of the
// directory, whichever is asked for. specs/models.md clauses 1.3 and 1.4.
[[nodiscard]] Result<ModelSpec> choose_model_spec(FileSystem& file_system,
                                                  const std::string& directory,
                                                  std::string_view name,
                                                  std::string_view model_type);

// Whether choose_model_spec takes it for a path.
[[nodiscard]] bool is_spec_path(std::string_view name);

// The spec of that name, else the one that serves a type of that name; null when there is none.
[[nodiscard]] const ModelSpec* find_named_spec(std::span<const ModelSpec> specs,
                                               std::string_view name);

// Up to three names and types of the specs that differ from `name` by few letters, nearest first.
[[nodiscard]] std::vector<std::string> nearest_names(std::span<const ModelSpec> specs,
                                                     std::string_view name);

// The error for a name that find_named_spec does not know.
[[nodiscard]] Status unknown_spec(std::span<const ModelSpec> specs, const std::string& directory,
                                  std::string_view name);

}  // namespace thaw
