// One side of a comparison: a checkpoint whose tensors can be had as float32, quantized or not.
// Private to lib/compare.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "model/spec.h"
#include "plan/fold.h"
#include "plan/plan.h"
#include "plan/tiles.h"
#include "quant/linears.h"

namespace thaw {

// The plan is that of a conversion to float32, without files; tensors that are no half-precision
// floats stay as they are.
struct CompareSide {
  explicit CompareSide(Checkpoint opened) : checkpoint(std::move(opened)) {}
  Checkpoint checkpoint;
  QuantizedLinears linears;
  std::vector<Fold> folds;
  Plan plan;
  const ModelSpec* spec = nullptr;

  // The linears whose rows make the tensor; none where it is not quantized.
  template <typename Function>
  void each_linear(const PlannedTensor& tensor, const Function& function) const {
    for (const Segment& segment : plan.segments_of(tensor)) {
      each_tile(plan, segment, [&](const Segment& tile, const TilePlace&) {
        function(*plan.linears[tile.source], tile);
      });
    }
  }
  [[nodiscard]] bool is_quantized(const PlannedTensor& tensor) const;
};

// `specs` must outlive the side. Scales that no spec folds stay as tensors, with a warning.
[[nodiscard]] Result<std::unique_ptr<CompareSide>> open_side(const std::string& model,
                                                             std::span<const ModelSpec> specs,
                                                             FileSystem& file_system,
                                                             std::vector<std::string>& warnings);

// The type as people know it: "F16", or the layout's title.
[[nodiscard]] std::string type_text(const CompareSide& side, const PlannedTensor& tensor);

// `count` elements of a type that is not read as float32 as doubles.
void numbers_of(const std::byte* data, Dtype dtype, std::uint64_t count, double* out);

// True when the tensor's values are float32 in the plan; else numbers_of() has them, unless
// is_opaque().
[[nodiscard]] bool is_plain(const PlannedTensor& tensor);
// Types whose numbers are not read: of less than 8 bits, scales without a value, complex ones.
[[nodiscard]] bool is_opaque(const PlannedTensor& tensor);

}  // namespace thaw
