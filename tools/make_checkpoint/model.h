// The models whose shapes are known by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "layout.h"
#include "tensor.h"

namespace thaw::tools {

// Queries, and keys with values, that pass through narrow projections (DeepSeek's attention).
struct LatentAttention {
  std::uint64_t query_rank = 0;
  std::uint64_t key_value_rank = 0;
  std::uint64_t plain_head = 0;   // of a query or key head, without positions
  std::uint64_t rotary_head = 0;  // and with them; the keys share one
  std::uint64_t value_head = 0;
};

struct ModelShape {
  std::string name;
  std::string model_type;
  std::string architecture;
  std::uint64_t hidden = 0;
  std::uint64_t intermediate = 0;  // of an expert, where there are some
  std::uint64_t layers = 0;
  std::uint64_t heads = 0;
  std::uint64_t key_heads = 0;
  std::uint64_t head_size = 0;
  std::uint64_t vocabulary = 0;
  std::uint64_t experts = 0;  // 0: one dense MLP
  bool attention_bias = false;
  std::optional<LatentAttention> latent = std::nullopt;  // instead of q, k and v
  std::uint64_t dense_layers = 0;                        // the first, without experts
  std::uint64_t dense_intermediate = 0;
  std::uint64_t shared_experts = 0;
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

}  // namespace thaw::tools
