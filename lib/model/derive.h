// A first draft of a model spec, from the tensor names of a checkpoint: specs/models.md clause 6.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "io/file_system.h"

namespace thaw {

struct SpecDraft {
  std::string text;                // a spec file that parse_model_spec takes
  std::vector<std::string> notes;  // what to check by hand, safe for a terminal
};

// `model` as for open_checkpoint. Errors: those of opening it; ErrorCode::input where no tensor
// lies below a numbered path, where none of its modules is a linear, and where the names are none
// that a spec could hold.
[[nodiscard]] Result<SpecDraft> derive_model_spec(FileSystem& file_system,
                                                  const std::string& model);

}  // namespace thaw
