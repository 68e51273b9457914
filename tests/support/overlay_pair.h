// A base and a quantized checkpoint on disk, as small as they can be: what the tests of the overlay
// need.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/blocks.h"
#include "plan/overlay.h"
#include "support/planned_model.h"

namespace thaw::testing {

using Tensors = std::vector<TensorSpec>;

constexpr const char* kToy = R"({
  "model_types": ["toy"],
  "layers": ["model.layers", "model.language_model.layers"],
  "layer_count": ["num_hidden_layers"],
  "extra_layer_count": ["num_nextn_predict_layers"],
  "linears": ["up", "experts.#.up", "stacked"],
  "floats": ["norm", "rotary"],
  "optional": ["experts.#.up", "stacked", "rotary"],
  "activation_scales": [{"scales": "act.scales", "divides": "up"}]
})";

inline void add_float(Tensors& tensors, const std::string& name, std::vector<std::uint64_t> shape,
                      Dtype dtype = Dtype::bf16) {
  tensors.push_back({name, dtype, std::move(shape), {}});
}

// Two layers and what is beside them; all of the quantized checkpoint's linears are [32, 64].
inline Tensors base_tensors(const std::string& path = "model.layers") {
  Tensors tensors;
  for (const char* layer : {".0.", ".1."}) {
    add_float(tensors, path + layer + "up.weight", {32, 64});
    add_float(tensors, path + layer + "up.bias", {32});
    add_float(tensors, path + layer + "norm.weight", {64});
  }
  add_float(tensors, "visual.up.weight", {32, 64});
  add_float(tensors, "lm_head.weight", {10, 64});
  return tensors;
}

inline Tensors quantized_tensors() {
  Tensors tensors;
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    add_gemm(tensors, layer + std::string("up"), 64, 32, 32, 7);
    add_float(tensors, layer + std::string("up.bias"), {32}, Dtype::f16);
    add_float(tensors, layer + std::string("norm.weight"), {64}, Dtype::f16);
  }
  add_float(tensors, "lm_head.weight", {10, 64}, Dtype::f16);
  return tensors;
}

inline void drop(Tensors& tensors, const std::string& name) {
  std::erase_if(tensors, [&](const TensorSpec& tensor) { return tensor.name == name; });
}

inline TensorSpec& named(Tensors& tensors, const std::string& name) {
  for (TensorSpec& tensor : tensors) {
    if (tensor.name == name) return tensor;
  }
  FAIL(name);
  return tensors.front();
}

// Both sides on disk and open.
struct Pair {
  TemporaryDirectory directory;
  ModelSpec spec = parse_model_spec("toy.json", kToy).value();
  std::unique_ptr<Checkpoint> base;
  std::unique_ptr<Checkpoint> quantized;
  QuantizedLinears linears;
  std::vector<Fold> folds;

  // `shards`: the base's tensors, one list a shard.
  Pair(const std::vector<Tensors>& shards, const Tensors& quantized_side,
       const std::string& base_config = R"({"model_type": "toy"})",
       const std::string& quantized_config = kGemmConfig) {
    directory.write("base/config.json", base_config);
    directory.write("base/tokenizer.json", "{}");
    for (std::size_t i = 0; i < shards.size(); ++i) {
      const std::string name = shards.size() == 1
                                   ? "model.safetensors"
                                   : "model-" + std::to_string(i + 1) + "-of-" +
                                         std::to_string(shards.size()) + ".safetensors";
      directory.write("base/" + name, safetensors(shards[i], R"({"a":"b"})"));
    }
    directory.write("quantized/config.json", quantized_config);
    directory.write("quantized/model.safetensors", safetensors(quantized_side));
    base = open("base");
    quantized = open("quantized");
    auto found = find_quantized_linears(*quantized);
    REQUIRE_MESSAGE(found.ok(), (found.ok() ? "" : found.error().text()));
    linears = std::move(found).value();
  }
  std::unique_ptr<Checkpoint> open(const char* side) const {
    auto opened = open_checkpoint(real_file_system(), directory / side);
    REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().text()));
    return std::make_unique<Checkpoint>(std::move(opened).value());
  }
  Result<Overlay> overlay(std::span<const std::string> take = {},
                          std::span<const std::string> leave = {}) const {
    return make_overlay({.base = base.get(),
                         .quantized = quantized.get(),
                         .linears = &linears,
                         .folds = folds,
                         .spec = &spec,
                         .base_blocks = locate_blocks(spec, *base).value(),
                         .quantized_blocks = locate_blocks(spec, *quantized).value(),
                         .take = take,
                         .leave = leave});
  }
  // The text of what a tensor of the base is made from.
  std::string source(const Overlay& overlay, const std::string& name) const {
    const Tensor* tensor = base->find(name);
    REQUIRE(tensor != nullptr);
    const auto index = static_cast<std::size_t>(tensor - base->tensors().data());
    const OverlaySource& from = overlay.sources[index];
    if (from.linear != nullptr) return "packed " + std::string(from.linear->module);
    return from.tensor != nullptr ? std::string(from.tensor->name) : "its own";
  }
};

}  // namespace thaw::testing
