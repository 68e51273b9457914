// The linears of compressed-tensors. Internal to lib/quant. Format: specs/compressed_tensors.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "quant/compressed_module.h"
#include "quant/linears.h"

namespace thaw {

class CompressedReader {
 public:
  // Both must outlive it.
  CompressedReader(const Checkpoint& checkpoint, const QuantConfig& config)
      : checkpoint_(checkpoint), config_(config) {}

  // Adds the linear that `packed`, of type I32, belongs to, and marks all of its tensors.
  // Errors: ErrorCode::input.
  [[nodiscard]] Status add(const Tensor& packed, QuantizedLinears& result);

  // Once all have been added: what a user should know.
  void warn(std::vector<std::string>& warnings) const;

 private:
  struct Count {
    std::size_t modules = 0;
    std::string first;  // safe for a terminal
  };
  void note(Count& count, const QuantizedLinear& linear);

  const Checkpoint& checkpoint_;
  const QuantConfig& config_;
  Count assumed_;      // neither tensors nor config say the width of the codes
  Count activations_;  // scales of quantized activations are left out
  Count differing_;    // the config says something else
  Count misnamed_;     // so does the group that is for the module by name, but not all groups
  Count unnamed_;      // no group is for the module by name
  Count ignored_;      // the config says that the module is left float
};

}  // namespace thaw
