// The base of an overlay, from what was asked to where every tensor comes from. specs/overlay.md.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "io/mapped_file.h"
#include "kernels/kernels.h"
#include "model/spec.h"
#include "plan/fold.h"
#include "plan/overlay.h"
#include "prepare/match_check.h"
#include "prepare/options.h"
#include "quant/linears.h"

namespace thaw {

// The overlay points into the checkpoint and the quantized checkpoint, so it stays where it is
// made.
struct Base {
  explicit Base(Checkpoint opened) : checkpoint(std::move(opened)) {}
  Checkpoint checkpoint;
  ModelSpec spec;
  std::optional<MappedFile> index;  // of the base
  Overlay overlay;
  std::optional<MatchSummary> match;  // nothing: it was not checked
};

// Errors: ErrorCode::usage, options that need a base or do not go with one.
[[nodiscard]] Status check_overlay_options(const ConvertOptions& options);

// Opens the base and finds its spec. Errors: ErrorCode::input (also: it is itself quantized), io.
[[nodiscard]] Result<std::unique_ptr<Base>> open_base(const ConvertOptions& options,
                                                      FileSystem& file_system);

// Finds what every tensor of the base is made from, and whether the two belong together. Fills
// base.overlay and base.match. Errors: ErrorCode::input, io.
[[nodiscard]] Status lay_over(const ConvertOptions& options, const Checkpoint& quantized,
                              const QuantizedLinears& linears, std::span<const Fold> folds,
                              const kernels::Table& table, Base& base);

}  // namespace thaw
