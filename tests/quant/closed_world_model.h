// Small checkpoints for the tests of specs/closed_world.md.
#pragma once

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quant/linears.h"
#include "quant/model_files.h"

namespace thaw {

using test::ZeroTensor;
using Tensors = std::vector<ZeroTensor>;

inline const Tensors kAwq = {{"l.0.up.qweight", "I32", {64, 2}},
                             {"l.0.up.qzeros", "I32", {2, 2}},
                             {"l.0.up.scales", "F16", {2, 16}},
                             {"l.0.up.bias", "F16", {16}}};
inline const Tensors kCompressed = {
    {"l.0.up.weight_packed", "I32", {16, 8}},
    {"l.0.up.weight_scale", "BF16", {16, 2}},
    {"l.0.up.weight_shape", "I64", {2}, std::string("\x10\0\0\0\0\0\0\0@\0\0\0\0\0\0\0", 16)}};
// A parameter of all experts, without ".weight".
inline const Tensors kParameter = {
    {"l.0.experts.up_packed", "I32", {4, 16, 8}},
    {"l.0.experts.up_scale", "BF16", {4, 16, 2}},
    {"l.0.experts.up_shape",
     "I64",
     {3},
     std::string("\x04\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0@\0\0\0\0\0\0\0", 24)}};
inline const Tensors kGptq = {{"l.0.up.qweight", "I32", {8, 16}},
                              {"l.0.up.qzeros", "I32", {2, 2}},
                              {"l.0.up.scales", "F16", {2, 16}},
                              {"l.0.up.g_idx", "I32", {64}}};

inline Tensors together(Tensors tensors, const Tensors& more) {
  tensors.insert(tensors.end(), more.begin(), more.end());
  return tensors;
}

// Holds the checkpoint that a result borrows from.
class Model {
 public:
  Model(std::string_view config, const Tensors& tensors) {
    directory_.write_model(config, tensors);
    checkpoint_.emplace(directory_.open());
  }
  [[nodiscard]] const Checkpoint& checkpoint() const { return *checkpoint_; }
  [[nodiscard]] Result<QuantizedLinears> find(bool copy_unknown = false) const {
    return find_quantized_linears(*checkpoint_, {.copy_unknown = copy_unknown});
  }
  [[nodiscard]] std::uint8_t mark(const QuantizedLinears& found, std::string_view name) const {
    const Tensor* tensor = checkpoint_->find(name);
    REQUIRE_MESSAGE(tensor != nullptr, std::string(name));
    return found.consumed[static_cast<std::size_t>(tensor - checkpoint_->tensors().data())];
  }

 private:
  test::ModelDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
};

inline void check_contains(const std::string& text, const std::vector<std::string>& expected) {
  for (const std::string& one : expected) {
    CHECK_MESSAGE(text.find(one) != std::string::npos, "\"" << one << "\" in: " << text);
  }
}

inline std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace thaw
