// Adapters that a model itself has, as its spec says: specs/models.md clause 7.
#pragma once

#include <functional>
#include <string_view>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "io/file_system.h"
#include "model/spec.h"
#include "prepare/options.h"

namespace thaw {

// Whether the tensor lies in a block and in a module that the model's spec names. Empty: there is
// no spec.
using OwnAdapters = std::function<bool(std::string_view tensor)>;

// By a spec, which must outlive the result; null gives an empty one.
[[nodiscard]] OwnAdapters own_adapters(const ModelSpec* spec);

// By `spec`; where it is null, by the spec that serves the checkpoint's model_type, which is looked
// up only if some tensor has the name of an adapter. `spec` must outlive the result. Errors: those
// of load_model_specs().
[[nodiscard]] Result<OwnAdapters> find_own_adapters(const Checkpoint& checkpoint,
                                                    const ModelSpec* spec,
                                                    const ConvertOptions& options,
                                                    FileSystem& file_system);

}  // namespace thaw
