// Everything before the first byte is written: the stages up to the plan.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/stop.h"
#include "checkpoint/checkpoint.h"
#include "io/mapped_file.h"
#include "kernels/kernels.h"
#include "model/spec.h"
#include "plan/memory.h"
#include "plan/plan.h"
#include "prepare/lay_over.h"
#include "prepare/options.h"
#include "prepare/output_type.h"
#include "prepare/own_spec.h"
#include "quant/linears.h"
#include "sink/likeness.h"

namespace thaw {

// The plan borrows from the members before it, so all of them live and move together, on the heap.
struct Prepared {
  Prepared(Checkpoint opened, std::string model_specs, FileSystem& file_system)
      : checkpoint(std::move(opened)), own_spec(checkpoint, std::move(model_specs), file_system) {}
  Checkpoint checkpoint;
  OwnSpec own_spec;
  std::unique_ptr<Base> base;  // null: no overlay
  QuantizedLinears linears;
  const ModelSpec* spec = nullptr;  // own_spec's, where it is needed; not with a base
  std::vector<Fold> folds;
  std::vector<SideFile> carried;       // beside the weights, sorted by name
  std::vector<MappedFile> side_files;  // of these
  // What is odd about the parts of the model, one line each: specs/checkpoint.md clauses 5 and 6.
  std::vector<std::string> findings;
  OutputType type;
  Plan plan;
  MemoryPlan memory;
  const kernels::Table* table = nullptr;
  std::string out;      // resolved; empty when the options name none, - for standard output
  Likeness found;       // what stands there, since before anything was judged
  std::string backup;   // in place: what the old directory is called if it is kept
  std::string purpose;  // in place: the quantized model and the options that change bytes
  // In place: an earlier run of this purpose has replaced the base, and was killed after that.
  bool done_before = false;
  std::optional<StreamFormat> format;  // nothing: a directory
  std::string archive_root;
};

// Reads headers and configs, and of the tensors what is folded, laid over or left out.
[[nodiscard]] Result<std::unique_ptr<Prepared>> prepare(const ConvertOptions& options,
                                                        FileSystem& file_system);

// Looks at the scales of every linear that the plan, or the options' part of it, needs, adds what
// is odd about them to the findings, and with `strict` refuses all findings: ErrorCode::input.
// Other errors: ErrorCode::io, the reason of `stop` (null: none).
[[nodiscard]] Status judge(Prepared& prepared, const ConvertOptions& options, const StopFlag* stop);

}  // namespace thaw
