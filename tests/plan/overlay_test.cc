// specs/overlay.md clauses 3 to 5, on pairs of small checkpoints. Bits are compared by tests/cli.
#include "plan/overlay.h"

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "plan/schedule.h"
#include "support/overlay_pair.h"

namespace thaw {
namespace {

using testing::add_float;
using testing::base_tensors;
using testing::drop;
using testing::named;
using testing::Pair;
using testing::quantized_tensors;
using testing::Tensors;
using testing::TensorSpec;

TEST_CASE("every tensor of a block comes from the quantized checkpoint, all others stay") {
  for (const char* path : {"model.layers", "model.language_model.layers"}) {
    CAPTURE(std::string(path));
    const Pair pair({base_tensors(path)}, quantized_tensors());
    const auto made = pair.overlay();
    REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().text()));
    const Overlay& overlay = made.value();
    const std::string layer = std::string(path) + ".1.";
    CHECK(pair.source(overlay, layer + "up.weight") == "packed model.layers.1.up");
    CHECK(pair.source(overlay, layer + "up.bias") == "model.layers.1.up.bias");
    CHECK(pair.source(overlay, layer + "norm.weight") == "model.layers.1.norm.weight");
    CHECK(pair.source(overlay, "visual.up.weight") == "its own");
    CHECK(pair.source(overlay, "lm_head.weight") == "its own");
    CHECK(overlay.replaced == 6);
    CHECK(overlay.kept == 2);
    CHECK(overlay.ignored == 1);
    CHECK(overlay.warnings.empty());
  }
}

TEST_CASE("what only one side has and no rule needs is kept or left out, with a warning") {
  struct Row {
    const char* name;
    bool in_base;
    bool in_quantized;
    std::string source;   // empty: not asked
    std::string warning;  // empty: none
  };
  const Row rows[] = {
      {"rotary.inv_freq", true, false, "its own", "only the base has 1 tensor (rotary.inv_freq)"},
      {"rotary.inv_freq", false, true, "",
       "only the quantized checkpoint has 1 tensor (rotary.inv_freq)"},
      {"rotary.inv_freq", true, true, "model.layers.1.rotary.inv_freq", ""},
      {"extra", true, false, "its own", "only the base has 1 tensor (extra)"},
      {"extra", false, true, "", "only the quantized checkpoint has 1 tensor (extra)"},
      {"extra", true, true, "model.layers.1.extra", ""}};
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    CAPTURE(row.warning);
    const std::string name = std::string("model.layers.1.") + row.name;
    Tensors base = base_tensors();
    Tensors quantized = quantized_tensors();
    if (row.in_base) add_float(base, name, {4}, Dtype::f32);
    if (row.in_quantized) add_float(quantized, name, {4}, Dtype::f32);
    const Pair pair({base}, quantized);
    const auto made = pair.overlay();
    REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().text()));
    if (!row.source.empty()) CHECK(pair.source(made.value(), name) == row.source);
    CHECK(made.value().warnings.size() == (row.warning.empty() ? 0 : 1));
    if (!row.warning.empty()) {
      CHECK(made.value().warnings[0].find(row.warning) != std::string::npos);
    }
  }
}

TEST_CASE("what does not fit is refused, and all of it at once") {
  struct Row {
    const char* name;
    std::function<void(Tensors&, Tensors&)> change;  // base, quantized
    std::vector<std::string> messages;               // a part of each, in any order
  };
  const Row rows[] = {
      {"the quantized checkpoint lacks a float",
       [](Tensors&, Tensors& quantized) { drop(quantized, "model.layers.1.up.bias"); },
       {"model.layers.1.up.bias: is not in the quantized checkpoint"}},
      {"the base lacks a float",
       [](Tensors& base, Tensors&) { drop(base, "model.layers.1.norm.weight"); },
       {"layer 1 has no norm", "model.layers.1.norm.weight: belongs to a module"}},
      {"the base lacks a linear",
       [](Tensors& base, Tensors&) {
         drop(base, "model.layers.0.up.weight");
         drop(base, "model.layers.0.up.bias");
       },
       {"model.layers.0.up: is quantized and the base has no such weight", "layer 0 has no up"}},
      {"another shape of a linear",
       [](Tensors& base, Tensors&) {
         named(base, "model.layers.0.up.weight").shape = {64, 32};
       },
       {"model.layers.0.up.weight: the shape in base and quantized checkpoint differs: got [64, "
        "32], "
        "expected [32, 64]"}},
      {"another shape of a float",
       [](Tensors& base, Tensors&) { named(base, "model.layers.0.norm.weight").shape = {65}; },
       {"model.layers.0.norm.weight: the shape in base and quantized checkpoint differs: got "
        "[65]"}},
      {"a type that thaw does not write",
       [](Tensors& base, Tensors&) {
         named(base, "model.layers.0.up.weight").dtype = Dtype::f8_e4m3;
       },
       {"got F8_E4M3, expected F16, BF16 or F32"}},
      {"types without a cast",
       [](Tensors& base, Tensors&) {
         named(base, "model.layers.0.norm.weight").dtype = Dtype::i32;
       },
       {"model.layers.0.norm.weight: the quantized checkpoint has it as F16"}},
      {"a matrix that only one side has",
       [](Tensors& base, Tensors& quantized) {
         add_float(base, "model.layers.0.rotary.table", {4, 4});
         add_float(quantized, "model.layers.1.extra", {2, 2});
       },
       {"model.layers.0.rotary.table: is not in the quantized checkpoint",
        "model.layers.1.extra: is part of a block, but the base has no such tensor: BF16 [2, 2]"}},
      {"a parameter that only one side has, of an optional module and of none",
       [](Tensors& base, Tensors& quantized) {
         add_float(base, "model.layers.0.rotary.weight", {4});
         add_float(quantized, "model.layers.1.extra.bias", {4});
       },
       {"model.layers.0.rotary.weight", "model.layers.1.extra.bias"}},
      {"a quantized head, and a linear that no rule names",
       [](Tensors& base, Tensors& quantized) {
         drop(quantized, "lm_head.weight");
         testing::add_gemm(quantized, "lm_head", 64, 32, 32, 7);
         testing::add_gemm(quantized, "model.layers.1.router", 64, 32, 32, 7);
         add_float(base, "model.layers.1.router.weight", {32, 64});
       },
       {"lm_head: is quantized and lies outside", "router: is quantized and no rule"}},
      {"a missing layer",
       [](Tensors&, Tensors& quantized) {
         std::erase_if(quantized, [](const TensorSpec& tensor) {
           return tensor.name.find("layers.1.") != std::string::npos;
         });
       },
       {"the number of layers at model.layers: got 1, expected 2"}}};
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    Tensors base = base_tensors();
    Tensors quantized = quantized_tensors();
    row.change(base, quantized);
    const Pair pair({base}, quantized);
    const auto made = pair.overlay();
    REQUIRE_FALSE(made.ok());
    CHECK(made.error().code == ErrorCode::input);
    CHECK(made.error().messages.size() == row.messages.size());
    const std::string text = made.error().text();
    for (const std::string& message : row.messages) {
      CHECK_MESSAGE(text.find(message) != std::string::npos, text);
    }
  }
}

TEST_CASE("experts are matched one by one, or stacked in one tensor of the same shape") {
  Tensors base = base_tensors();
  Tensors quantized;
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    for (const char* expert : {"experts.0.up", "experts.1.up"}) {
      add_float(base, std::string(layer) + expert + ".weight", {32, 64});
      testing::add_compressed(quantized, std::string(layer) + expert, 0, 64, 32, 32, 3);
    }
    add_float(base, layer + std::string("stacked.weight"), {3, 32, 64});
    testing::add_compressed(quantized, layer + std::string("stacked"), 3, 64, 32, 32, 4);
    testing::add_compressed(quantized, layer + std::string("up"), 0, 64, 32, 32, 5);
    add_float(quantized, layer + std::string("up.bias"), {32}, Dtype::f16);
    add_float(quantized, layer + std::string("norm.weight"), {64}, Dtype::f16);
  }
  const std::string config =
      R"({"model_type": "toy", "quantization_config": {"quant_method": "compressed-tensors",)"
      R"("format": "pack-quantized", "config_groups": {"group_0": {"targets": ["Linear"],)"
      R"("weights": {"num_bits": 4, "type": "int", "symmetric": false, "strategy": "group",)"
      R"("group_size": 32}}}}})";
  {
    const Pair pair({base}, quantized, R"({"model_type": "toy"})", config);
    const auto made = pair.overlay();
    REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().text()));
    CHECK(pair.source(made.value(), "model.layers.1.experts.1.up.weight") ==
          "packed model.layers.1.experts.1.up");
    CHECK(pair.source(made.value(), "model.layers.1.stacked.weight") ==
          "packed model.layers.1.stacked");
  }
  named(base, "model.layers.1.stacked.weight").shape = {96, 64};
  drop(base, "model.layers.0.experts.1.up.weight");
  const Pair pair({base}, quantized, R"({"model_type": "toy"})", config);
  const auto made = pair.overlay();
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().messages.size() == 2);
  CHECK(made.error().text().find("got [96, 64], expected [3, 32, 64]") != std::string::npos);
}

TEST_CASE(
    "blocks that predict further tokens travel, or stay where the quantized checkpoint has none") {
  const std::string config =
      R"({"model_type": "toy", "num_hidden_layers": 1, "num_nextn_predict_layers": 1})";
  const std::string quantized_config =
      R"({"model_type": "toy", "num_hidden_layers": 1, "quantization_config": )"
      R"({"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm"}})";
  Tensors quantized = quantized_tensors();
  std::erase_if(quantized, [](const TensorSpec& tensor) {
    return tensor.name.find("layers.1.") != std::string::npos;
  });
  const Pair pair({base_tensors()}, quantized, config, quantized_config);
  const auto made = pair.overlay();
  REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().text()));
  CHECK(pair.source(made.value(), "model.layers.1.up.weight") == "its own");
  CHECK(made.value().warnings.size() == 1);
  CHECK(made.value().replaced == 3);
}

TEST_CASE("biases that only the quantized checkpoint has are handed on, to be looked at") {
  Tensors base = base_tensors();
  drop(base, "model.layers.0.up.bias");
  const Pair pair({base}, quantized_tensors());
  const auto made = pair.overlay();
  REQUIRE(made.ok());
  REQUIRE(made.value().biases_left_out.size() == 1);
  CHECK(made.value().biases_left_out[0]->name == "model.layers.0.up.bias");
}

// The base in three shards: a layer each, and the rest.
std::vector<Tensors> three_shards() {
  std::vector<Tensors> shards(3);
  for (const TensorSpec& tensor : base_tensors()) {
    const bool first = tensor.name.find("layers.0.") != std::string::npos;
    const bool second = tensor.name.find("layers.1.") != std::string::npos;
    shards[first ? 2 : second ? 0 : 1].push_back(tensor);
  }
  return shards;
}

TEST_CASE("shards are the base's, and one in which nothing is replaced is one copy") {
  const Pair pair(three_shards(), quantized_tensors());
  const auto made = pair.overlay();
  REQUIRE(made.ok());
  std::vector<MappedFile> side_files;
  for (const SideFile& side : pair.base->side_files()) {
    side_files.push_back(MappedFile::open(real_file_system(), side.path).value());
  }
  PlanRequest request{.checkpoint = pair.quantized.get(),
                      .linears = &pair.linears,
                      .overlay = &made.value(),
                      .side_files = side_files,
                      .keep_shards = true};
  const auto planned = make_plan(request);
  REQUIRE_MESSAGE(planned.ok(), (planned.ok() ? "" : planned.error().text()));
  const Plan& plan = planned.value();
  std::vector<std::string> names;
  for (const PlannedFile& file : plan.files) names.push_back(file.name);
  const std::vector<std::string> want = {"config.json",
                                         "tokenizer.json",
                                         "model.safetensors.index.json",
                                         "model-1-of-3.safetensors",
                                         "model-2-of-3.safetensors",
                                         "model-3-of-3.safetensors"};
  CHECK(names == want);
  const PlannedFile& copied = plan.files[4];
  REQUIRE(copied.segments.size() == 1);
  CHECK(copied.segments[0].kind == SegmentKind::copy);
  CHECK(copied.segments[0].source == 2);  // the quantized checkpoint has one shard
  CHECK(copied.size == pair.base->shards()[1].file.size());
  CHECK(copied.tensors == 2);
  CHECK(plan.literals[plan.files[3].segments[0].source].find(R"("a":"b")") != std::string::npos);
  CHECK(plan.tensors.size() == 8);
  CHECK(plan.tensor_count == 8);
  CHECK(plan.tensors_cast == 4);
  CHECK(plan.tensors_copied == 2);

  // Every tensor is counted once, however the pieces fall.
  for (const std::uint64_t budget : {64'000'000ull, 256'000'000ull}) {
    const auto memory = plan_memory(plan, {.budget = budget, .threads = 2, .ordered = false});
    REQUIRE(memory.ok());
    std::uint64_t ended = 0;
    Piece piece;
    for (const Unit& unit : make_schedule(plan, plan, memory.value())) {
      for (std::uint64_t i = 0; i < piece_count(unit); ++i) {
        get_piece(plan, unit, i, piece);
        ended += piece.tensors_ended;
      }
    }
    CHECK(ended == plan.tensor_count);
  }

  request.keep_shards = false;
  request.max_shard_size = 1;
  const auto anew = make_plan(request);
  REQUIRE(anew.ok());
  CHECK(anew.value().files.back().name == "model-00008-of-00008.safetensors");
  CHECK(anew.value().fingerprint != plan.fingerprint);
}

}  // namespace
}  // namespace thaw
