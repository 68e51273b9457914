// The models whose shapes are known by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "layout.h"
#include "tensor.h"

namespace thaw::tools {

struct ModelShape {
  std::string name;
  std::string model_type;
  std::string architecture;
  std::uint64_t hidden = 0;
  std::uint64_t intermediate = 0;
  std::uint64_t layers = 0;
  std::uint64_t heads = 0;
  std::uint64_t key_heads = 0;
  std::uint64_t head_size = 0;
  std::uint64_t vocabulary = 0;
  std::uint64_t experts = 0;  // 0: one dense MLP
  bool attention_bias = false;
};

[[nodiscard]] const std::vector<ModelShape>& model_shapes();
[[nodiscard]] std::optional<ModelShape> find_shape(const std::string& name);

// The tensors before the layers, of one layer, and after the layers.
[[nodiscard]] std::vector<TensorSpec> first_tensors(const ModelShape& model,
                                                    const PackOptions& options);
[[nodiscard]] std::vector<TensorSpec> layer_tensors(const ModelShape& model,
                                                    const PackOptions& options,
                                                    std::uint64_t layer);
[[nodiscard]] std::vector<TensorSpec> last_tensors(const ModelShape& model,
                                                   const PackOptions& options);

// config.json as the quantizer saves it.
[[nodiscard]] std::string config_json(const ModelShape& model, const PackOptions& options);

}  // namespace thaw::tools
