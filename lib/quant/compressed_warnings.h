// What a user should know of the linears of compressed-tensors, counted over all of them.
// Internal to lib/quant. Format: specs/compressed_tensors.md.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "quant/linears.h"

namespace thaw {

class CompressedWarnings {
 public:
  // Must outlive it.
  explicit CompressedWarnings(const QuantConfig& config) : config_(config) {}

  // `activations`: scales of quantized activations stand beside it, and are left out.
  void note(const QuantizedLinear& linear, bool activations);

  // Once all have been noted: what a user should know, and what changes nothing.
  void add_to(std::vector<std::string>& warnings, std::vector<std::string>& notes) const;

 private:
  struct Count {
    std::size_t modules = 0;
    std::string first;  // safe for a terminal

    void note(const QuantizedLinear& linear);
  };

  const QuantConfig& config_;
  Count assumed_;      // neither tensors nor config say the width of the codes
  Count activations_;  // scales of quantized activations are left out
  Count differing_;    // the config says something else
  Count misnamed_;     // so does the group that is for the module by name, but not all groups
  Count unnamed_;      // no group is for the module by name
  Count ignored_;      // the config says that the module is left float
};

}  // namespace thaw
