// specs/memory.md.
#include "plan/memory.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "plan/input_ranges.h"
#include "plan/schedule.h"
#include "support/planned_model.h"

namespace thaw {
namespace {

using testing::PlannedModel;
using testing::toy_tensors;

constexpr PackLayout kStrided{.name = "awq_gemm",
                              .title = "AWQ GEMM",
                              .row_block = 8,
                              .row_step = 128,
                              .columns_strided = true};

// A plan of linears of one shape, without any file behind it: planning memory reads none.
struct ShapedPlan {
  Plan plan;
  std::deque<Tensor> tensors;
  std::deque<QuantizedLinear> linears;

  ShapedPlan(std::uint64_t count, std::uint64_t in, std::uint64_t out, std::uint64_t element) {
    PlannedFile file;
    for (std::uint64_t i = 0; i < count; ++i) {
      QuantizedLinear& linear = linears.emplace_back();
      linear.layout = &kStrided;
      linear.in_features = in;
      linear.out_features = out;
      linear.group_size = 128;
      linear.operands[Role::codes] = operand(in, out / 2);
      linear.operands[Role::zeros] = operand(in / 128, out / 2);
      linear.operands[Role::scales] = operand(in / 128, out * 2);
      Segment segment;
      segment.kind = SegmentKind::tile;
      segment.source = static_cast<std::uint32_t>(plan.linears.size());
      segment.row_bytes = in * element;
      segment.row_block = static_cast<std::uint32_t>(kStrided.row_block);
      segment.row_step = static_cast<std::uint32_t>(kStrided.row_step);
      segment.size = segment.row_bytes * out;
      segment.offset = file.size;
      file.size += segment.size;
      plan.segments.push_back(segment);
      plan.linears.push_back(&linear);
    }
    file.tensors = count;
    file.segments = plan.segments;
    plan.tensors.resize(count);
    plan.tensor_count = count;
    plan.files.push_back(std::move(file));
  }
  PackedOperand operand(std::uint64_t lines, std::uint64_t pitch) {
    Tensor& tensor = tensors.emplace_back();
    tensor.end = lines * pitch;
    PackedOperand packed;
    packed.tensor = &tensor;
    packed.lines = lines;
    packed.pitch = pitch;
    return packed;
  }
};

TEST_CASE("a plan stays within its budget, for shapes from small to huge") {
  struct Row {
    const char* name;
    std::uint64_t count, in, out, element;
  };
  const Row rows[] = {{"8B", 224, 4096, 14336, 2},       {"70B", 560, 8192, 28672, 2},
                      {"70B down", 560, 28672, 8192, 2}, {"70B float32", 560, 28672, 8192, 4},
                      {"experts", 5000, 2048, 768, 2},   {"wide", 10, 53248, 16384, 2}};
  for (const Row& row : rows) {
    const ShapedPlan shaped(row.count, row.in, row.out, row.element);
    for (const std::uint64_t budget :
         {64'000'000ull, 100'000'000ull, 256'000'000ull, 1'000'000'000ull, 8'000'000'000ull}) {
      for (const unsigned threads : {1u, 2u, 16u, 96u}) {
        CAPTURE(row.name);
        CAPTURE(budget);
        CAPTURE(threads);
        const auto memory =
            plan_memory(shaped.plan, {.budget = budget, .threads = threads, .ordered = false});
        REQUIRE(memory.ok());
        const MemoryPlan& plan = memory.value();
        CHECK(plan.peak <= budget);
        CHECK(plan.workers >= 1);
        CHECK(plan.workers <= threads);
        CHECK(plan.buffers == 2 * plan.workers);
        CHECK(plan.tile_bytes % (2u << 20) == 0);
        CHECK(plan.write_window >= 8u << 20);
        for (const Unit& unit : make_schedule(shaped.plan, shaped.plan, plan)) {
          CHECK(unit.piece_bytes <= plan.tile_bytes);
        }
      }
    }
  }
}

TEST_CASE("the default budget reads a 70B linear once, with two workers") {
  const ShapedPlan shaped(560, 8192, 28672, 2);
  const auto memory =
      plan_memory(shaped.plan, {.budget = 256'000'000, .threads = 2, .ordered = false});
  REQUIRE(memory.ok());
  CHECK(memory.value().slab_bytes == 0);
  CHECK(memory.value().workers == 2);
  CHECK_FALSE(needs_slabs(*shaped.plan.linears[0], memory.value()));
}

TEST_CASE(
    "output through the page cache gets smaller tiles and a larger window, a stream as ever") {
  const ShapedPlan shaped(560, 8192, 28672, 2);
  MemoryRequest request{.budget = 256'000'000, .threads = 2};
  const MemoryPlan around = plan_memory(shaped.plan, request).value();
  request.buffered = true;
  const MemoryPlan through = plan_memory(shaped.plan, request).value();
  CHECK(through.tile_bytes == 8u << 20);
  CHECK(through.tile_bytes < around.tile_bytes);
  CHECK(through.write_window > around.write_window + (16u << 20));
  CHECK(through.workers == around.workers);
  CHECK(through.peak <= request.budget);
  request.budget = 2'000'000'000;
  const MemoryPlan much = plan_memory(shaped.plan, request).value();
  CHECK(much.write_window == 64u << 20);
  CHECK(much.input_bytes > through.input_bytes);
  request.ordered = true;
  const MemoryPlan stream = plan_memory(shaped.plan, request).value();
  request.buffered = false;
  CHECK(plan_memory(shaped.plan, request).value().write_window == stream.write_window);
}

// As libzstd's at level 1: workers + 3 jobs of 8 MiB.
std::uint64_t compressor_of(unsigned workers) { return (workers + std::uint64_t{3}) * (8u << 20); }

TEST_CASE("an ordered sink gets tiles of one strip, one writer and room for its compressor") {
  const ShapedPlan shaped(560, 28672, 8192, 2);
  for (const unsigned threads : {1u, 2u, 16u, 96u}) {
    CAPTURE(threads);
    MemoryRequest request{.budget = 256'000'000, .threads = threads};
    request.ordered = true;
    request.stream = 6u << 20;
    const auto plain = plan_memory(shaped.plan, request);
    REQUIRE(plain.ok());
    CHECK(plain.value().peak <= request.budget);
    CHECK(plain.value().writers == 1);
    CHECK(plain.value().compressors == 0);
    CHECK(plain.value().tile_bytes == 8u << 20);  // 128 rows of 28672 float16
    CHECK(plain.value().workers <= std::max(1u, threads - 1));
    request.compressor = compressor_of;
    const auto compressed = plan_memory(shaped.plan, request);
    REQUIRE(compressed.ok());
    const MemoryPlan& memory = compressed.value();
    CHECK(memory.peak <= request.budget);
    CHECK(memory.compressors >= 1);
    CHECK(memory.compressors <= threads);
    CHECK(memory.stream_bytes == request.stream + compressor_of(memory.compressors));
    // A linear is read once, with fewer compressors if need be.
    CHECK(memory.slab_bytes == 0);
  }
}

TEST_CASE("a compressor that does not fit is refused with the budget that does") {
  const ShapedPlan shaped(560, 8192, 28672, 2);
  MemoryRequest request{.budget = 64'000'000, .threads = 4};
  request.ordered = true;
  request.compressor = compressor_of;
  const auto refused = plan_memory(shaped.plan, request);
  REQUIRE_FALSE(refused.ok());
  const std::string& hint = refused.error().hint;
  request.budget = std::stoull(hint.substr(hint.find("--memory ") + 9)) * 1'000'000;
  CHECK(plan_memory(shaped.plan, request).ok());
  request.budget -= 1'000'000;
  CHECK_FALSE(plan_memory(shaped.plan, request).ok());
}

TEST_CASE("the default budget holds the plan of 60 000 linears") {
  const ShapedPlan shaped(60'000, 2048, 768, 2);
  CHECK(plan_memory(shaped.plan, {.budget = 256'000'000, .threads = 2, .ordered = false}).ok());
}

TEST_CASE("a budget that is too small is refused with one that works") {
  const ShapedPlan shaped(560, 8192, 28672, 2);
  const auto refused =
      plan_memory(shaped.plan, {.budget = 10'000'000, .threads = 2, .ordered = false});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::no_space);
  const std::string& hint = refused.error().hint;
  const std::uint64_t megabytes = std::stoull(hint.substr(hint.find("--memory ") + 9));
  CHECK(megabytes <= 64);
  const auto works =
      plan_memory(shaped.plan, {.budget = megabytes * 1'000'000, .threads = 2, .ordered = false});
  CHECK(works.ok());
  const auto less = plan_memory(
      shaped.plan, {.budget = (megabytes - 1) * 1'000'000, .threads = 2, .ordered = false});
  CHECK_FALSE(less.ok());
}

TEST_CASE("small tensors share a tile in a directory, and have one each in a stream") {
  const ShapedPlan shaped(5000, 2048, 768, 2);  // 3 MiB each
  MemoryRequest request{.budget = 256'000'000, .threads = 2};
  const auto directory = plan_memory(shaped.plan, request);
  REQUIRE(directory.ok());
  CHECK(directory.value().tile_bytes == 14u << 20);
  const std::vector<Unit> units = make_schedule(shaped.plan, shaped.plan, directory.value());
  CHECK(units.size() == 5000 / 4);
  for (const Unit& unit : units) CHECK(unit.segments == 4);
  request.ordered = true;
  const auto stream = plan_memory(shaped.plan, request);
  REQUIRE(stream.ok());
  CHECK(stream.value().tile_bytes == 2u << 20);
}

TEST_CASE("a small model gets small buffers, whatever the budget") {
  const PlannedModel model(toy_tensors());
  const MemoryPlan memory = model.memory(8'000'000'000, 2);
  CHECK(memory.tile_bytes == 2u << 20);
  CHECK(memory.slab_bytes == 0);
}

}  // namespace
}  // namespace thaw
