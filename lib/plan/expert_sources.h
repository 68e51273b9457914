// The experts of a checkpoint as its tensors hold them: one linear each, or all of a kind in one
// tensor. Private to lib/plan.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "model/spec.h"
#include "quant/linears.h"

namespace thaw {

// What holds a matrix, or all of them: one of the two is not null.
struct ExpertSource {
  const QuantizedLinear* linear = nullptr;
  const Tensor* tensor = nullptr;

  [[nodiscard]] bool empty() const { return linear == nullptr && tensor == nullptr; }
  [[nodiscard]] std::string_view name() const {
    return linear != nullptr ? linear->module : tensor->name;
  }
  // As the tensors have it: [rows, columns] of one expert, [experts, rows, columns] of all; a bias
  // one dimension less.
  [[nodiscard]] std::vector<std::uint64_t> shape() const;
};

enum class ExpertRole : std::uint8_t { gate, up, down };
constexpr std::array<ExpertRole, 3> kExpertRoles = {ExpertRole::gate, ExpertRole::up,
                                                    ExpertRole::down};

// One expert, role by role.
struct Expert {
  std::array<ExpertSource, 3> weights;
  std::array<ExpertSource, 3> biases;
};

// The experts of one block.
struct ExpertGroup {
  std::string_view path;  // "model.layers.0.mlp.experts"; points into the Checkpoint
  std::map<std::uint64_t, Expert> experts;
  // Parameters of all experts: gate and up in one, and down.
  ExpertSource gate_up;
  ExpertSource down;
  ExpertSource gate_up_bias;
  ExpertSource down_bias;

  [[nodiscard]] bool is_split() const { return !experts.empty(); }
  [[nodiscard]] bool is_fused() const { return !gate_up.empty() || !down.empty(); }
};

// In the order of their names. `form` is of `spec`.
[[nodiscard]] std::vector<ExpertGroup> find_experts(const Checkpoint& checkpoint,
                                                    const QuantizedLinears& linears,
                                                    const ModelSpec& spec, const ExpertForm& form);

}  // namespace thaw
