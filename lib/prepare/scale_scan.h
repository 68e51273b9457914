// Looks at every scale of some linears, and at the float zeros beside them, in bounded memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/stop.h"
#include "checkpoint/checkpoint.h"
#include "quant/linears.h"

namespace thaw {

// Scales that no working quantizer writes: of one linear, or added up over several.
struct ScaleFlaws {
  std::uint64_t infinite = 0;
  std::uint64_t nan = 0;
  std::uint64_t zero = 0;
  std::string first;  // the first module with one, safe for a terminal

  [[nodiscard]] bool any() const { return infinite + nan + zero != 0; }
  // Those that make a weight infinite or NaN, and not just zero.
  [[nodiscard]] std::uint64_t not_finite() const { return infinite + nan; }
  void add(const ScaleFlaws& other);
};

// One for each of `linears`, which are of `checkpoint`, in their order. Read in the order of the
// files. Errors: ErrorCode::io; the reason of `stop` (null: none), asked once a tensor.
[[nodiscard]] Result<std::vector<ScaleFlaws>> scan_scales(
    const Checkpoint& checkpoint, std::span<const QuantizedLinear* const> linears,
    const StopFlag* stop = nullptr);

}  // namespace thaw
