// Adapters that a model itself has, as its spec says: specs/models.md clause 7.
#pragma once

#include <functional>
#include <string_view>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "model/spec.h"
#include "prepare/own_spec.h"

namespace thaw {

// Whether the tensor lies in a block and in a module that the model's spec names. Empty: there is
// no spec.
using OwnAdapters = std::function<bool(std::string_view tensor)>;

// By a spec, which must outlive the result; null gives an empty one.
[[nodiscard]] OwnAdapters own_adapters(const ModelSpec* spec);

// By the checkpoint's own spec, which is asked for only if some tensor has the name of an adapter;
// `spec` must outlive the result. Errors: those of load_model_specs().
[[nodiscard]] Result<OwnAdapters> find_own_adapters(const Checkpoint& checkpoint, OwnSpec& spec);

}  // namespace thaw
