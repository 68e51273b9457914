// Small models of every layout, and what their files hold: made segment by segment on one thread,
// by the scalar kernels, from mapped views.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "execute/buffer_pool.h"
#include "execute/linear_view.h"
#include "execute/make_segment.h"
#include "plan/memory.h"
#include "support/planned_model.h"

namespace thaw::testing {

inline const kernels::Table& scalar_table() {
  bool runs_here = false;
  return *kernels::find_table("scalar", &runs_here);
}

// What the files should hold, made segment by segment on this thread.
inline std::vector<std::string> expected_files(const Plan& plan) {
  std::vector<std::string> files;
  for (const PlannedFile& file : plan.files) {
    std::string bytes(file.size, '?');
    for (const Segment& segment : file.segments) {
      const AlignedMemory buffer = AlignedMemory::allocate(segment.size + 64).value();
      TileSource source;
      if (segment.kind == SegmentKind::tile) {
        source = {mapped_view(plan, *plan.linears[segment.source]), 0};
      }
      AlignedMemory scratch;
      if (segment.kind == SegmentKind::tile && segment.divisor != 0) {
        scratch = AlignedMemory::allocate(scratch_bytes(*plan.linears[segment.source])).value();
        source.scratch = scratch.data();
      }
      CHECK(make_segment(plan, scalar_table(), segment, source, kernels::Stores::normal,
                         buffer.data()) == 0);
      std::memcpy(bytes.data() + segment.offset, buffer.data(), segment.size);
    }
    files.push_back(std::move(bytes));
  }
  return files;
}

// One linear of each layer is divided, the first by float16, the second by float32 scales, and so
// are float weights whose rows are no whole number of pieces.
inline std::vector<TensorSpec> scaled_tensors() {
  std::vector<TensorSpec> tensors = toy_tensors();
  tensors.push_back({"a.scales", Dtype::f16, {640}, random_scales(640, 31)});
  std::string scales;
  for (int i = 0; i < 640; ++i) {
    const float scale = 0.25f + 0.01f * static_cast<float>(i);
    scales.append(reinterpret_cast<const char*>(&scale), sizeof scale);
  }
  tensors.push_back({"b.act.scales", Dtype::f32, {640}, scales});
  tensors.push_back({"c.scales", Dtype::bf16, {123}, std::string(246, '\x3f')});
  tensors.push_back({"float.weight", Dtype::f16, {177, 123}, random_scales(177 * 123, 6)});
  tensors.push_back({"d.scales", Dtype::f16, {64}, random_scales(64, 33)});
  tensors.push_back({"wide.weight", Dtype::f32, {9, 64}, std::string(9 * 64 * 4, '\x3e')});
  return tensors;
}

using Folds = std::vector<std::pair<std::string, std::string>>;
inline const Folds kFolds = {{"a.scales", "model.layers.0.mlp.down_proj"},
                             {"b.act.scales", "model.layers.1.mlp.down_proj"},
                             {"c.scales", "float"},
                             {"d.scales", "wide"}};

// The bytes of a tensor, made at once; empty where there is none.
inline std::string bytes_of(const Plan& plan, std::string_view name) {
  const PlannedTensor* tensor = plan.find(name);
  if (tensor == nullptr) return {};
  return expected_files(plan)[tensor->file].substr(tensor->offset, tensor->size);
}

// Linears of compressed-tensors: rows and experts that end within a word of zeros, and columns
// that name their groups.
inline std::vector<TensorSpec> compressed_tensors() {
  std::vector<TensorSpec> tensors;
  add_compressed(tensors, "model.layers.0.up_proj", 0, 256, 643, 32, 30);
  add_compressed(tensors, "model.layers.0.experts", 5, 128, 99, 64, 40);
  add_compressed(tensors, "model.layers.0.down_proj", 0, 640, 264, 32, 50);
  std::string index;
  for (std::uint32_t k = 0; k < 640; ++k) {
    const std::uint32_t group = k % 20;
    index.append(reinterpret_cast<const char*>(&group), sizeof group);
  }
  tensors.push_back({"model.layers.0.down_proj.weight_g_idx", Dtype::i32, {640}, index});
  tensors.push_back({"model.norm.weight", Dtype::bf16, {256}, random_scales(256, 60)});
  return tensors;
}

// Runs of groups, act-order, an embedding that is not transposed (its scales by group, and with an
// index whole), a short last group and outputs that fill no word.
inline std::vector<TensorSpec> gptq_tensors() {
  std::vector<TensorSpec> tensors;
  add_gptq(tensors, "model.layers.0.up_proj", 256, 640, 32, false, 1);
  add_gptq(tensors, "model.layers.0.down_proj", 640, 264, 32, true, 2);
  add_gptq(tensors, "model.layers.0.o_proj", 304, 205, 32, false, 3);
  add_gptq(tensors, "model.embed_tokens", 500, 256, 32, false, 4);
  add_gptq(tensors, "model.wte", 300, 100, 32, true, 5);
  return tensors;
}

}  // namespace thaw::testing
