// The tensors of one packed linear, as each quantizer shapes them (specs/awq.md, specs/gptq.md,
// specs/compressed_tensors.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor.h"

namespace thaw::tools {

struct PackOptions {
  std::string layout = "gemm";    // one of layout_names()
  std::int64_t group_size = 128;  // -1: one group
  std::string scale_dtype = "F16";
  bool symmetric = false;  // gemm and ct without zeros, gptq with those that say so
  std::uint64_t bits = 4;  // of a code; 8 in gptq, gptq_v2 and ct
  bool act_order = false;  // gptq, gptq_v2 and ct: groups of inputs that do not stand together
  std::uint64_t seed = 1;
};

[[nodiscard]] const std::vector<std::string>& layout_names();
[[nodiscard]] bool is_awq(const PackOptions& options);

[[nodiscard]] std::uint64_t key_of(std::uint64_t seed, const std::string& name);

// A float tensor, filled as a whole.
[[nodiscard]] TensorSpec float_tensor(const PackOptions& options, std::string name,
                                      std::vector<std::uint64_t> shape, Content content);

// What a router adds to its scores: float32, all 0.5.
[[nodiscard]] TensorSpec router_bias(const PackOptions& options, const std::string& name,
                                     std::uint64_t experts);

// Throws std::runtime_error when the layout cannot hold the shape.
[[nodiscard]] std::vector<TensorSpec> pack_linear(const PackOptions& options,
                                                  const std::string& module,
                                                  std::uint64_t in_features,
                                                  std::uint64_t out_features);

}  // namespace thaw::tools
