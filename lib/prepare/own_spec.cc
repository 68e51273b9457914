#include "prepare/own_spec.h"

#include <vector>

namespace thaw {

Result<const ModelSpec*> OwnSpec::get() {
  if (!asked_ && !model_specs_.empty()) {
    THAW_ASSIGN_OR_RETURN(const std::vector<ModelSpec> specs,
                          load_model_specs(file_system_, model_specs_));
    const ModelSpec* found = find_model_spec(specs, checkpoint_.model_type());
    if (found != nullptr) spec_ = *found;
    asked_ = true;
  }
  return spec_ ? &*spec_ : nullptr;
}

}  // namespace thaw
