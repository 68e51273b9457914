// Looks at every scale of a checkpoint, in bounded memory.
#pragma once

#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "convert/inspect.h"
#include "quant/linears.h"

namespace thaw {

class ScaleScan {
 public:
  explicit ScaleScan(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  // `flaws` must stay where it is until run() returns; several linears may share one.
  void add(const QuantizedLinear& linear, ScaleFlaws& flaws) {
    tasks_.push_back({&linear, &flaws});
  }
  // In the order of the files. Errors: ErrorCode::io.
  [[nodiscard]] Status run();

 private:
  struct Task {
    const QuantizedLinear* linear;
    ScaleFlaws* flaws;
  };

  const Checkpoint& checkpoint_;
  std::vector<Task> tasks_;
};

}  // namespace thaw
