// The tensors of one packed linear, as each quantizer shapes them (specs/awq.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor.h"

namespace thaw::tools {

struct PackOptions {
  std::string layout = "gemm";    // gemm, gemv, gemv_fast, marlin
  std::int64_t group_size = 128;  // -1: one group
  std::string scale_dtype = "F16";
  bool symmetric = false;  // gemm without qzeros
  std::uint64_t seed = 1;
};

[[nodiscard]] std::uint64_t key_of(std::uint64_t seed, const std::string& name);

// A float tensor, filled as a whole.
[[nodiscard]] TensorSpec float_tensor(const PackOptions& options, std::string name,
                                      std::vector<std::uint64_t> shape, Content content);

// Throws std::runtime_error when the layout cannot hold the shape.
[[nodiscard]] std::vector<TensorSpec> pack_linear(const PackOptions& options,
                                                  const std::string& module,
                                                  std::uint64_t in_features,
                                                  std::uint64_t out_features);

}  // namespace thaw::tools
