// A small checkpoint on disk, opened and planned: what the tests of plan, sink and execute need.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "plan/memory.h"
#include "plan/plan.h"
#include "quant/linears.h"
#include "support/safetensors_file.h"
#include "support/temporary_directory.h"

namespace thaw::testing {

inline std::string random_bytes(std::uint64_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// float16 scales of ordinary size, so that nothing overflows.
inline std::string random_scales(std::uint64_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::string bytes;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint32_t half = 0x1800 + random() % 0x1000;
    bytes += static_cast<char>(half & 0xff);
    bytes += static_cast<char>(half >> 8);
  }
  return bytes;
}

// The tensors of an AWQ GEMM linear with random content.
inline void add_gemm(std::vector<TensorSpec>& tensors, const std::string& module, std::uint64_t in,
                     std::uint64_t out, std::uint64_t group, std::uint32_t seed) {
  tensors.push_back(
      {module + ".qweight", Dtype::i32, {in, out / 8}, random_bytes(in * out / 2, seed)});
  tensors.push_back({module + ".qzeros",
                     Dtype::i32,
                     {in / group, out / 8},
                     random_bytes(in / group * out / 2, seed + 1)});
  tensors.push_back({module + ".scales",
                     Dtype::f16,
                     {in / group, out},
                     random_scales(in / group * out, seed + 2)});
}

// The tensors of a 4-bit linear of compressed-tensors, of `experts` (0: no such dimension).
inline void add_compressed(std::vector<TensorSpec>& tensors, const std::string& module,
                           std::uint64_t experts, std::uint64_t in, std::uint64_t out,
                           std::uint64_t group, std::uint32_t seed) {
  const auto add = [&](const char* suffix, Dtype dtype, std::uint64_t rows, std::uint64_t columns,
                       std::string data) {
    std::vector<std::uint64_t> shape = {rows, columns};
    if (experts != 0) shape.insert(shape.begin(), experts);
    tensors.push_back({module + suffix, dtype, std::move(shape), std::move(data)});
  };
  const std::uint64_t slices = experts == 0 ? 1 : experts;
  const std::uint64_t zero_rows = (out + 7) / 8;
  add(".weight_packed", Dtype::i32, out, in / 8, random_bytes(slices * out * in / 2, seed));
  add(".weight_scale", Dtype::f16, out, in / group,
      random_scales(slices * out * (in / group), seed + 1));
  add(".weight_zero_point", Dtype::i32, zero_rows, in / group,
      random_bytes(slices * zero_rows * (in / group) * 4, seed + 2));
}

// The tensors of a GPTQ v1 linear of 4 bits; with an act-order index, or none.
inline void add_gptq(std::vector<TensorSpec>& tensors, const std::string& module, std::uint64_t in,
                     std::uint64_t out, std::uint64_t group, bool act_order, std::uint32_t seed) {
  const std::uint64_t groups = (in + group - 1) / group;
  const std::uint64_t lines = (in + 7) / 8;
  const std::uint64_t words = (out + 7) / 8;
  tensors.push_back(
      {module + ".qweight", Dtype::i32, {lines, out}, random_bytes(lines * out * 4, seed)});
  tensors.push_back({module + ".qzeros",
                     Dtype::i32,
                     {groups, words},
                     random_bytes(groups * words * 4, seed + 1)});
  tensors.push_back(
      {module + ".scales", Dtype::f16, {groups, out}, random_scales(groups * out, seed + 2)});
  if (!act_order) return;
  std::vector<std::int32_t> index(in);
  for (std::uint64_t k = 0; k < in; ++k) {
    index[k] = static_cast<std::int32_t>(k * 7 % groups) -
               (k % 3 == 0 ? static_cast<std::int32_t>(groups) : 0);
  }
  tensors.push_back({module + ".g_idx",
                     Dtype::i32,
                     {in},
                     std::string(reinterpret_cast<const char*>(index.data()), in * 4)});
}

constexpr const char* kGptqConfig =
    R"({"model_type": "toy", "torch_dtype": "float16", "quantization_config": )"
    R"({"quant_method": "gptq", "bits": 4, "group_size": 32}})";

constexpr const char* kGemmConfig =
    R"({"model_type": "toy", "torch_dtype": "float16", "quantization_config": )"
    R"({"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm"}})";

// Owns the directory and everything that a plan borrows from.
struct PlannedModel {
  TemporaryDirectory directory;
  std::unique_ptr<Checkpoint> checkpoint;
  QuantizedLinears linears;
  std::vector<Fold> folds;
  std::vector<MappedFile> side_files;
  Plan plan;

  // `fold_names`: activation scales and the module that they divide.
  explicit PlannedModel(const std::vector<TensorSpec>& tensors, PlanRequest request = {},
                        const std::string& config = kGemmConfig,
                        const std::vector<std::pair<std::string, std::string>>& fold_names = {}) {
    directory.write("model/config.json", config);
    directory.write("model/model.safetensors", safetensors(tensors));
    directory.write("model/tokenizer.json", "{\"a\": 1}");
    directory.write("model/code/empty.py", "");
    auto opened = open_checkpoint(real_file_system(), directory / "model");
    REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().text()));
    checkpoint = std::make_unique<Checkpoint>(std::move(opened).value());
    auto found = find_quantized_linears(*checkpoint);
    REQUIRE_MESSAGE(found.ok(), (found.ok() ? "" : found.error().text()));
    linears = std::move(found).value();
    for (const auto& [scales, module] : fold_names) {
      Fold fold{.scales = checkpoint->find(scales)};
      REQUIRE(fold.scales != nullptr);
      for (const QuantizedLinear& linear : linears.linears) {
        if (linear.module == module) fold.linear = &linear;
      }
      fold.weight = checkpoint->find(module + ".weight");
      REQUIRE((fold.linear != nullptr) != (fold.weight != nullptr));
      folds.push_back(fold);
    }
    for (const SideFile& side : checkpoint->side_files()) {
      auto file = MappedFile::open(real_file_system(), side.path, MappedFile::Empty::allowed);
      REQUIRE(file.ok());
      side_files.push_back(std::move(file).value());
    }
    request.checkpoint = checkpoint.get();
    request.linears = &linears;
    request.folds = folds;
    request.side_files = side_files;
    auto made = make_plan(request);
    REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().text()));
    plan = std::move(made).value();
  }

  [[nodiscard]] MemoryPlan memory(std::uint64_t budget, unsigned threads) const {
    auto planned = plan_memory(plan, {.budget = budget, .threads = threads, .ordered = false});
    REQUIRE_MESSAGE(planned.ok(), (planned.ok() ? "" : planned.error().text()));
    return planned.value();
  }
};

// Two layers of different shapes, norms that follow the output type, a float32 tensor that does
// not, and sizes that are no multiple of 4096.
inline std::vector<TensorSpec> toy_tensors() {
  std::vector<TensorSpec> tensors;
  for (std::uint32_t layer = 0; layer < 2; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer);
    add_gemm(tensors, prefix + ".mlp.up_proj", 256, 640, 32, 10 + 100 * layer);
    add_gemm(tensors, prefix + ".mlp.down_proj", 640, 264, 32, 20 + 100 * layer);
    tensors.push_back({prefix + ".norm.weight", Dtype::f16, {256}, random_scales(256, layer)});
    tensors.push_back({prefix + ".gate.bias", Dtype::f32, {7}, random_bytes(28, layer)});
  }
  tensors.push_back(
      {"model.embed_tokens.weight", Dtype::bf16, {100, 256}, random_scales(100 * 256, 5)});
  tensors.push_back({"empty", Dtype::f16, {0, 4}, {}});
  tensors.push_back({"scalar", Dtype::i64, {}, random_bytes(8, 6)});
  return tensors;
}

}  // namespace thaw::testing
