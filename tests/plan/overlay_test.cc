// specs/overlay.md clauses 3 to 5, on pairs of small checkpoints. Bits are compared by tests/cli.
#include "plan/overlay.h"

#include <doctest/doctest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/blocks.h"
#include "plan/schedule.h"
#include "support/planned_model.h"

namespace thaw {
namespace {

using testing::TensorSpec;
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

void add_float(Tensors& tensors, const std::string& name, std::vector<std::uint64_t> shape,
               Dtype dtype = Dtype::bf16) {
  tensors.push_back({name, dtype, std::move(shape), {}});
}

// Two layers and what is beside them; all of the twin's linears are [32, 64].
Tensors base_tensors(const std::string& path = "model.layers") {
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

Tensors twin_tensors() {
  Tensors tensors;
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    testing::add_gemm(tensors, layer + std::string("up"), 64, 32, 32, 7);
    add_float(tensors, layer + std::string("up.bias"), {32}, Dtype::f16);
    add_float(tensors, layer + std::string("norm.weight"), {64}, Dtype::f16);
  }
  add_float(tensors, "lm_head.weight", {10, 64}, Dtype::f16);
  return tensors;
}

void drop(Tensors& tensors, const std::string& name) {
  std::erase_if(tensors, [&](const TensorSpec& tensor) { return tensor.name == name; });
}

TensorSpec& named(Tensors& tensors, const std::string& name) {
  for (TensorSpec& tensor : tensors) {
    if (tensor.name == name) return tensor;
  }
  FAIL(name);
  return tensors.front();
}

// Both sides on disk and open.
struct Pair {
  testing::TemporaryDirectory directory;
  ModelSpec spec = parse_model_spec("toy.json", kToy).value();
  std::unique_ptr<Checkpoint> base;
  std::unique_ptr<Checkpoint> twin;
  QuantizedLinears linears;
  std::vector<Fold> folds;

  // `shards`: the base's tensors, one list a shard.
  Pair(const std::vector<Tensors>& shards, const Tensors& twin_side,
       const std::string& base_config = R"({"model_type": "toy"})",
       const std::string& twin_config = testing::kGemmConfig) {
    directory.write("base/config.json", base_config);
    directory.write("base/tokenizer.json", "{}");
    for (std::size_t i = 0; i < shards.size(); ++i) {
      const std::string name = shards.size() == 1
                                   ? "model.safetensors"
                                   : "model-" + std::to_string(i + 1) + "-of-" +
                                         std::to_string(shards.size()) + ".safetensors";
      directory.write("base/" + name, testing::safetensors(shards[i], R"({"a":"b"})"));
    }
    directory.write("twin/config.json", twin_config);
    directory.write("twin/model.safetensors", testing::safetensors(twin_side));
    base = open("base");
    twin = open("twin");
    auto found = find_quantized_linears(*twin);
    REQUIRE_MESSAGE(found.ok(), (found.ok() ? "" : found.error().text()));
    linears = std::move(found).value();
  }
  std::unique_ptr<Checkpoint> open(const char* side) const {
    auto opened = open_checkpoint(real_file_system(), directory / side);
    REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().text()));
    return std::make_unique<Checkpoint>(std::move(opened).value());
  }
  Result<Overlay> overlay() const {
    return make_overlay({.base = base.get(),
                         .twin = twin.get(),
                         .linears = &linears,
                         .folds = folds,
                         .spec = &spec,
                         .base_blocks = locate_blocks(spec, *base).value(),
                         .twin_blocks = locate_blocks(spec, *twin).value()});
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

TEST_CASE("every tensor of a block comes from the twin, all others stay") {
  for (const char* path : {"model.layers", "model.language_model.layers"}) {
    CAPTURE(std::string(path));
    const Pair pair({base_tensors(path)}, twin_tensors());
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
    bool in_twin;
    std::string source;   // empty: not asked
    std::string warning;  // empty: none
  };
  const Row rows[] = {
      {"rotary.inv_freq", true, false, "its own", "only the base has 1 tensor (rotary.inv_freq)"},
      {"rotary.inv_freq", false, true, "", "only the AWQ model has 1 tensor (rotary.inv_freq)"},
      {"rotary.inv_freq", true, true, "model.layers.1.rotary.inv_freq", ""},
      {"extra", true, false, "its own", "only the base has 1 tensor (extra)"},
      {"extra", false, true, "", "only the AWQ model has 1 tensor (extra)"},
      {"extra", true, true, "model.layers.1.extra", ""}};
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    CAPTURE(row.warning);
    const std::string name = std::string("model.layers.1.") + row.name;
    Tensors base = base_tensors();
    Tensors twin = twin_tensors();
    if (row.in_base) add_float(base, name, {4}, Dtype::f32);
    if (row.in_twin) add_float(twin, name, {4}, Dtype::f32);
    const Pair pair({base}, twin);
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
    std::function<void(Tensors&, Tensors&)> change;  // base, twin
    std::vector<std::string> messages;               // a part of each, in any order
  };
  const Row rows[] = {
      {"the twin lacks a float",
       [](Tensors&, Tensors& twin) { drop(twin, "model.layers.1.up.bias"); },
       {"model.layers.1.up.bias: is not in the AWQ model"}},
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
       {"model.layers.0.up.weight: the shape in base and AWQ model differs: got [64, 32], "
        "expected [32, 64]"}},
      {"another shape of a float",
       [](Tensors& base, Tensors&) { named(base, "model.layers.0.norm.weight").shape = {65}; },
       {"model.layers.0.norm.weight: the shape in base and AWQ model differs: got [65]"}},
      {"a type that thaw does not write",
       [](Tensors& base, Tensors&) {
         named(base, "model.layers.0.up.weight").dtype = Dtype::f8_e4m3;
       },
       {"got F8_E4M3, expected F16, BF16 or F32"}},
      {"types without a cast",
       [](Tensors& base, Tensors&) {
         named(base, "model.layers.0.norm.weight").dtype = Dtype::i32;
       },
       {"model.layers.0.norm.weight: the AWQ model has it as F16"}},
      {"a quantized head, and a linear that no rule names",
       [](Tensors& base, Tensors& twin) {
         drop(twin, "lm_head.weight");
         testing::add_gemm(twin, "lm_head", 64, 32, 32, 7);
         testing::add_gemm(twin, "model.layers.1.router", 64, 32, 32, 7);
         add_float(base, "model.layers.1.router.weight", {32, 64});
       },
       {"lm_head: is quantized and lies outside", "router: is quantized and no rule"}},
      {"a missing layer",
       [](Tensors&, Tensors& twin) {
         std::erase_if(twin, [](const TensorSpec& tensor) {
           return tensor.name.find("layers.1.") != std::string::npos;
         });
       },
       {"the number of layers at model.layers: got 1, expected 2"}}};
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    Tensors base = base_tensors();
    Tensors twin = twin_tensors();
    row.change(base, twin);
    const Pair pair({base}, twin);
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
  Tensors twin;
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    for (const char* expert : {"experts.0.up", "experts.1.up"}) {
      add_float(base, std::string(layer) + expert + ".weight", {32, 64});
      testing::add_compressed(twin, std::string(layer) + expert, 0, 64, 32, 32, 3);
    }
    add_float(base, layer + std::string("stacked.weight"), {3, 32, 64});
    testing::add_compressed(twin, layer + std::string("stacked"), 3, 64, 32, 32, 4);
    testing::add_compressed(twin, layer + std::string("up"), 0, 64, 32, 32, 5);
    add_float(twin, layer + std::string("up.bias"), {32}, Dtype::f16);
    add_float(twin, layer + std::string("norm.weight"), {64}, Dtype::f16);
  }
  const std::string config =
      R"({"model_type": "toy", "quantization_config": {"quant_method": "compressed-tensors",)"
      R"("format": "pack-quantized", "config_groups": {"group_0": {"targets": ["Linear"],)"
      R"("weights": {"num_bits": 4, "type": "int", "symmetric": false, "strategy": "group",)"
      R"("group_size": 32}}}}})";
  {
    const Pair pair({base}, twin, R"({"model_type": "toy"})", config);
    const auto made = pair.overlay();
    REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().text()));
    CHECK(pair.source(made.value(), "model.layers.1.experts.1.up.weight") ==
          "packed model.layers.1.experts.1.up");
    CHECK(pair.source(made.value(), "model.layers.1.stacked.weight") ==
          "packed model.layers.1.stacked");
  }
  named(base, "model.layers.1.stacked.weight").shape = {96, 64};
  drop(base, "model.layers.0.experts.1.up.weight");
  const Pair pair({base}, twin, R"({"model_type": "toy"})", config);
  const auto made = pair.overlay();
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().messages.size() == 2);
  CHECK(made.error().text().find("got [96, 64], expected [3, 32, 64]") != std::string::npos);
}

TEST_CASE("blocks that predict further tokens travel, or stay where the twin has none") {
  const std::string config =
      R"({"model_type": "toy", "num_hidden_layers": 1, "num_nextn_predict_layers": 1})";
  const std::string quantized =
      R"({"model_type": "toy", "num_hidden_layers": 1, "quantization_config": )"
      R"({"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm"}})";
  Tensors twin = twin_tensors();
  std::erase_if(twin, [](const TensorSpec& tensor) {
    return tensor.name.find("layers.1.") != std::string::npos;
  });
  const Pair pair({base_tensors()}, twin, config, quantized);
  const auto made = pair.overlay();
  REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().text()));
  CHECK(pair.source(made.value(), "model.layers.1.up.weight") == "its own");
  CHECK(made.value().warnings.size() == 1);
  CHECK(made.value().replaced == 3);
}

TEST_CASE("biases that only the twin has are handed on, to be looked at") {
  Tensors base = base_tensors();
  drop(base, "model.layers.0.up.bias");
  const Pair pair({base}, twin_tensors());
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
  const Pair pair(three_shards(), twin_tensors());
  const auto made = pair.overlay();
  REQUIRE(made.ok());
  std::vector<MappedFile> side_files;
  for (const SideFile& side : pair.base->side_files()) {
    side_files.push_back(MappedFile::open(real_file_system(), side.path).value());
  }
  PlanRequest request{.checkpoint = pair.twin.get(),
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
  CHECK(copied.segments[0].source == 2);  // the twin has one shard
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
