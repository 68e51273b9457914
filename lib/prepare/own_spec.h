// The model spec that serves a checkpoint's own model_type. Most conversions need none, so the
// directory of specs is read when one is first asked for, and once. specs/models.md clause 3.2.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "io/file_system.h"
#include "model/spec.h"

namespace thaw {

// Not thread-safe.
class OwnSpec {
 public:
  // `model_specs`: the directory; empty: there is none. The others must outlive it.
  OwnSpec(const Checkpoint& checkpoint, std::string model_specs, FileSystem& file_system)
      : checkpoint_(checkpoint), model_specs_(std::move(model_specs)), file_system_(file_system) {}

  // Null: none serves the type. Valid while this lives and is not moved. Errors: those of
  // load_model_specs().
  [[nodiscard]] Result<const ModelSpec*> get();

 private:
  const Checkpoint& checkpoint_;
  std::string model_specs_;
  FileSystem& file_system_;
  bool asked_ = false;
  std::optional<ModelSpec> spec_;
};

}  // namespace thaw
