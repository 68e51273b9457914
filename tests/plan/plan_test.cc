#include "plan/plan.h"

#include <doctest/doctest.h>

#include <cstring>
#include <set>
#include <string>

#include "plan/shards.h"
#include "support/planned_model.h"

namespace thaw {
namespace {

using testing::PlannedModel;
using testing::TensorSpec;
using testing::toy_tensors;

const PlannedFile* file_named(const Plan& plan, const std::string& name) {
  for (const PlannedFile& file : plan.files) {
    if (file.name == name) return &file;
  }
  return nullptr;
}

std::string literal_of(const Plan& plan, const PlannedFile& file) {
  return plan.literals[file.segments.front().source];
}

TEST_CASE("the segments of every file cover it exactly, in order") {
  for (const std::uint64_t shard_size : {5'000'000'000ull, 400'000ull, 1ull}) {
    const PlannedModel model(toy_tensors(), {.max_shard_size = shard_size});
    std::uint64_t total = 0;
    std::uint64_t tensors = 0;
    for (const PlannedFile& file : model.plan.files) {
      std::uint64_t at = 0;
      for (const Segment& segment : file.segments) {
        CHECK(segment.offset == at);
        CHECK(segment.size > 0);
        at += segment.size;
      }
      CHECK(at == file.size);
      total += file.size;
      tensors += file.tensors;
    }
    CHECK(total == model.plan.bytes);
    CHECK(tensors == 4 + 7);
    CHECK(model.plan.linears.size() == 4);
  }
}

TEST_CASE("data begins at a page, page-sized tensors come first, all are aligned to their type") {
  const PlannedModel model(toy_tensors());
  const PlannedFile* shard = file_named(model.plan, "model.safetensors");
  REQUIRE(shard != nullptr);
  CHECK(shard->segments[0].size % 4096 == 0);
  bool odd = false;
  for (const Segment& segment : shard->segments) {
    if (segment.size % 4096 != 0) odd = true;
    CHECK_FALSE((odd && segment.size % 4096 == 0));
    if (segment.kind == SegmentKind::tile || segment.kind == SegmentKind::cast) {
      CHECK(segment.offset % 2 == 0);
    }
  }
  CHECK(odd);
}

TEST_CASE("a header says what its shard holds, as safetensors wants it") {
  const PlannedModel model(toy_tensors(), {.dtype = Dtype::bf16});
  const PlannedFile* shard = file_named(model.plan, "model.safetensors");
  REQUIRE(shard != nullptr);
  const std::string header = literal_of(model.plan, *shard);
  std::uint64_t length = 0;
  std::memcpy(&length, header.data(), 8);
  CHECK(length == header.size() - 8);
  CHECK(header.find(R"("__metadata__":{"format":"pt"})") != std::string::npos);
  CHECK(header.find(R"("model.layers.0.mlp.up_proj.weight":{"dtype":"BF16","shape":[640,256])") !=
        std::string::npos);
  CHECK(header.find(R"("model.layers.1.gate.bias":{"dtype":"F32","shape":[7])") !=
        std::string::npos);
  CHECK(header.find(R"("empty":{"dtype":"BF16","shape":[0,4])") != std::string::npos);
  CHECK(header.find("qweight") == std::string::npos);
  CHECK(header.find("scales") == std::string::npos);
}

TEST_CASE("float16 and bfloat16 follow the output type, everything else stays") {
  struct Row {
    Dtype dtype;
    std::uint64_t cast;
  };
  // float16: two norms and the empty one; bfloat16: the embedding.
  for (const Row& row : {Row{Dtype::f16, 1}, Row{Dtype::bf16, 3}, Row{Dtype::f32, 4}}) {
    const PlannedModel model(toy_tensors(), {.dtype = row.dtype});
    CHECK(model.plan.tensors_cast == row.cast);
    CHECK(model.plan.tensors_copied == 7 - row.cast);
  }
}

TEST_CASE("shards take tensors in natural order up to the size, a larger one stands alone") {
  std::vector<PlannedTensor> tensors;
  for (const std::uint64_t size : {30, 30, 50, 200, 10, 90, 1}) {
    PlannedTensor tensor;
    tensor.size = size;
    tensors.push_back(tensor);
  }
  std::vector<std::vector<std::uint32_t>> shards;
  for (const PlannedShard& shard : assign_shards(tensors, 100)) shards.push_back(shard.tensors);
  const std::vector<std::vector<std::uint32_t>> want = {{0, 1}, {2}, {3}, {4, 5}, {6}};
  CHECK(shards == want);
  CHECK(assign_shards(tensors, 100)[4].name == "model-00005-of-00005.safetensors");
  CHECK(assign_shards({}, 100).size() == 1);
  CHECK(shard_name(0, 1) == "model.safetensors");
  CHECK(shard_name(1, 12) == "model-00002-of-00012.safetensors");
}

TEST_CASE("an index is written for several shards, sorted, with the size of all tensors") {
  const PlannedModel model(toy_tensors(), {.max_shard_size = 400'000});
  const PlannedFile* index = file_named(model.plan, "model.safetensors.index.json");
  REQUIRE(index != nullptr);
  const auto parsed = json::parse("index", literal_of(model.plan, *index), {});
  REQUIRE(parsed.ok());
  const json::Node* map = parsed.value().find("weight_map");
  REQUIRE(map != nullptr);
  CHECK(map->members.size() == model.plan.tensors.size());
  std::uint64_t shards = 0;
  for (const PlannedFile& file : model.plan.files) shards += file.tensors != 0 ? 1 : 0;
  CHECK(shards > 1);
  std::set<std::string> named;
  for (std::size_t i = 0; i < map->members.size(); ++i) {
    named.insert(map->members[i].second.string);
    if (i != 0) CHECK(map->members[i - 1].first < map->members[i].first);
  }
  CHECK(named.size() == shards);
  const PlannedModel one(toy_tensors());
  CHECK(file_named(one.plan, "model.safetensors.index.json") == nullptr);
}

TEST_CASE("config.json loses its quantization and follows the type, and keeps every other byte") {
  const std::string config =
      "{\n  \"dtype\": \"float32\",\n  \"torch_dtype\": \"float16\",\n"
      "  \"quantization_config\": {\"bits\": 4,\n \"group_size\": 32, \"version\": \"gemm\"},\n"
      "  \"big\": 123456789012345678901234567890, \"nan\": NaN,\n"
      "  \"text_config\": {\"torch_dtype\": \"torch.float16\", \"quantization_config\": {}},\n"
      "  \"list\": [{\"dtype\": \"bfloat16\"}]\n}\n";
  const PlannedModel model(toy_tensors(), {.dtype = Dtype::bf16}, config);
  const PlannedFile* file = file_named(model.plan, "config.json");
  REQUIRE(file != nullptr);
  CHECK(literal_of(model.plan, *file) ==
        "{\n  \"dtype\": \"float32\",\n  \"torch_dtype\": \"bfloat16\",\n"
        "  \"big\": 123456789012345678901234567890, \"nan\": NaN,\n"
        "  \"text_config\": {\"torch_dtype\": \"torch.bfloat16\"},\n"
        "  \"list\": [{\"dtype\": \"bfloat16\"}]\n}\n");
}

TEST_CASE("the fingerprint follows what changes bytes, and nothing else") {
  const std::vector<TensorSpec> tensors = toy_tensors();
  const PlannedModel model(tensors);
  PlanRequest request{.checkpoint = model.checkpoint.get(),
                      .linears = &model.linears,
                      .side_files = model.side_files};
  const auto print = [&] { return make_plan(request).value().fingerprint; };
  const std::string first = print();
  CHECK(print() == first);
  request.dtype = Dtype::bf16;
  CHECK(print() != first);
  request.dtype = Dtype::f16;
  request.max_shard_size = 1;
  CHECK(print() != first);
  request.max_shard_size = PlanRequest{}.max_shard_size;
  request.allow_overflow = true;
  CHECK(print() != first);
  request.allow_overflow = false;
  CHECK(print() == first);
  const PlannedModel other(tensors);
  CHECK(other.plan.fingerprint == first);  // whatever its times and its place
}

}  // namespace
}  // namespace thaw
