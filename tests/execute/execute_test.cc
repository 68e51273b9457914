// The whole run of a plan into a sink that keeps everything in memory, compared with what each
// linear's rows are when they are made one by one, by the scalar kernels, from a mapped view.
#include "execute/execute.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "base/bytes.h"
#include "base/half.h"
#include "execute/buffer_pool.h"
#include "execute/linear_view.h"
#include "execute/make_segment.h"
#include "execute/threads.h"
#include "io/crc32.h"
#include "support/planned_model.h"

namespace thaw {
namespace {

using testing::PlannedModel;
using testing::toy_tensors;

class MemorySink final : public Sink {
 public:
  MemorySink(const Plan& plan, bool in_order) : in_order_(in_order) {
    for (const PlannedFile& file : plan.files) files.emplace_back(file.size, '?');
  }
  [[nodiscard]] bool ordered() const override { return in_order_; }
  [[nodiscard]] bool rereads() const override { return in_order_; }
  [[nodiscard]] Status write(std::uint32_t file, std::uint64_t offset,
                             std::span<const std::byte> bytes) override {
    const std::lock_guard lock(mutex_);
    if (in_order_) {
      CHECK(std::pair(file, offset) >= next_);
      next_ = {file, offset + bytes.size()};
    }
    if (fail_at != 0 && ++writes_ == fail_at) {
      return fail(ErrorCode::io, {.file = "sink", .tensor = {}}, "broke");
    }
    if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::memcpy(files[file].data() + offset, bytes.data(), bytes.size());
    return {};
  }
  [[nodiscard]] std::uint32_t checksum(std::span<const std::byte> bytes) const override {
    return crc32_of(bytes);
  }
  [[nodiscard]] Status write_summed(std::uint32_t file, std::uint64_t offset,
                                    std::span<const std::byte> bytes,
                                    std::uint32_t checksum) override {
    CHECK(checksum == crc32_of(bytes));
    return write(file, offset, bytes);
  }
  [[nodiscard]] Status finish() override { return {}; }
  void abandon(Keep /*keep*/) override {}

  std::vector<std::string> files;
  int fail_at = 0;
  bool slow = false;

 private:
  const bool in_order_;
  std::mutex mutex_;
  int writes_ = 0;
  std::pair<std::uint32_t, std::uint64_t> next_{0, 0};
};

class CountingObserver final : public Observer {
 public:
  void on_progress(const Progress& progress) override {
    CHECK(progress.bytes_done >= last_);
    CHECK(progress.bytes_done <= progress.bytes_total);
    last_ = progress.bytes_done;
    ++calls;
    if (stop != nullptr && calls == 2) stop->request(ErrorCode::interrupted);
  }
  int calls = 0;
  StopFlag* stop = nullptr;

 private:
  std::uint64_t last_ = 0;
};

const kernels::Table& scalar_table() {
  bool runs_here = false;
  return *kernels::find_table("scalar", &runs_here);
}

// What the files should hold, made segment by segment on this thread.
std::vector<std::string> expected_files(const Plan& plan) {
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
std::vector<testing::TensorSpec> scaled_tensors() {
  std::vector<testing::TensorSpec> tensors = toy_tensors();
  tensors.push_back({"a.scales", Dtype::f16, {640}, testing::random_scales(640, 31)});
  std::string scales;
  for (int i = 0; i < 640; ++i) {
    const float scale = 0.25f + 0.01f * static_cast<float>(i);
    scales.append(reinterpret_cast<const char*>(&scale), sizeof scale);
  }
  tensors.push_back({"b.act.scales", Dtype::f32, {640}, scales});
  tensors.push_back({"c.scales", Dtype::bf16, {123}, std::string(246, '\x3f')});
  tensors.push_back({"float.weight", Dtype::f16, {177, 123}, testing::random_scales(177 * 123, 6)});
  tensors.push_back({"d.scales", Dtype::f16, {64}, testing::random_scales(64, 33)});
  tensors.push_back({"wide.weight", Dtype::f32, {9, 64}, std::string(9 * 64 * 4, '\x3e')});
  return tensors;
}

using Folds = std::vector<std::pair<std::string, std::string>>;
const Folds kFolds = {{"a.scales", "model.layers.0.mlp.down_proj"},
                      {"b.act.scales", "model.layers.1.mlp.down_proj"},
                      {"c.scales", "float"},
                      {"d.scales", "wide"}};

double value_at(const std::string& bytes, std::size_t index, Dtype dtype) {
  if (dtype == Dtype::f32) {
    return static_cast<double>(load_little_endian<float>(bytes.data() + index * 4));
  }
  const auto bits = load_little_endian<std::uint16_t>(bytes.data() + index * 2);
  return static_cast<double>(dtype == Dtype::f16 ? float_from_half(bits)
                                                 : float_from_bfloat16(bits));
}

// The bytes of a tensor, made at once.
std::string bytes_of(const Plan& plan, std::string_view name) {
  const std::vector<std::string> files = expected_files(plan);
  for (std::size_t f = 0; f < files.size(); ++f) {
    for (const Segment& segment : plan.files[f].segments) {
      if (segment.name == name) return files[f].substr(segment.offset, segment.size);
    }
  }
  return {};
}

TEST_CASE("a divided weight is the float32 weight over its scales, rounded once") {
  const std::vector<testing::TensorSpec> tensors = scaled_tensors();
  const PlannedModel divided(tensors, {.dtype = Dtype::f32}, testing::kGemmConfig, kFolds);
  const PlannedModel plain(tensors, {.dtype = Dtype::f32});
  CHECK(divided.plan.tensors == plain.plan.tensors - kFolds.size());
  CHECK(divided.plan.fingerprint != plain.plan.fingerprint);
  for (const auto& fold : kFolds) {
    const std::string& scales_name = fold.first;
    const std::string& module = fold.second;
    CAPTURE(module);
    const Tensor& scales = *divided.checkpoint->find(scales_name);
    const auto mapped = divided.checkpoint->bytes(scales);
    const std::string by(reinterpret_cast<const char*>(mapped.data()), mapped.size());
    const bool quantized = divided.checkpoint->find(module + ".weight") == nullptr;
    const std::string name = quantized ? module : module + ".weight";
    const std::string got = bytes_of(divided.plan, name);
    const std::string exact = bytes_of(plain.plan, name);
    REQUIRE(got.size() == exact.size());
    REQUIRE_FALSE(got.empty());
    CHECK(bytes_of(divided.plan, scales_name).empty());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < got.size() / 4; ++i) {
      const auto want = static_cast<float>(value_at(exact, i, Dtype::f32) /
                                           value_at(by, i % scales.shape[0], scales.dtype));
      wrong += static_cast<double>(want) == value_at(got, i, Dtype::f32) ? 0 : 1;
    }
    CHECK(wrong == 0);
  }
}

// Linears of compressed-tensors: rows and experts that end within a word of zeros, and columns
// that name their groups.
std::vector<testing::TensorSpec> compressed_tensors() {
  std::vector<testing::TensorSpec> tensors;
  testing::add_compressed(tensors, "model.layers.0.up_proj", 0, 256, 643, 32, 30);
  testing::add_compressed(tensors, "model.layers.0.experts", 5, 128, 99, 64, 40);
  testing::add_compressed(tensors, "model.layers.0.down_proj", 0, 640, 264, 32, 50);
  std::string index;
  for (std::uint32_t k = 0; k < 640; ++k) {
    const std::uint32_t group = k % 20;
    index.append(reinterpret_cast<const char*>(&group), sizeof group);
  }
  tensors.push_back({"model.layers.0.down_proj.weight_g_idx", Dtype::i32, {640}, index});
  tensors.push_back({"model.norm.weight", Dtype::bf16, {256}, testing::random_scales(256, 60)});
  return tensors;
}

// Runs of groups, act-order, an embedding that is not transposed (its scales by group, and with an
// index whole), a short last group and outputs that fill no word.
std::vector<testing::TensorSpec> gptq_tensors() {
  std::vector<testing::TensorSpec> tensors;
  testing::add_gptq(tensors, "model.layers.0.up_proj", 256, 640, 32, false, 1);
  testing::add_gptq(tensors, "model.layers.0.down_proj", 640, 264, 32, true, 2);
  testing::add_gptq(tensors, "model.layers.0.o_proj", 304, 205, 32, false, 3);
  testing::add_gptq(tensors, "model.embed_tokens", 500, 256, 32, false, 4);
  testing::add_gptq(tensors, "model.wte", 300, 100, 32, true, 5);
  return tensors;
}

void check_same_output(const std::vector<testing::TensorSpec>& tensors, const char* config,
                       const Folds& folds = {}) {
  for (const Dtype dtype : {Dtype::f16, Dtype::bf16, Dtype::f32}) {
    const PlannedModel model(tensors, {.dtype = dtype, .max_shard_size = 500'000}, config, folds);
    const std::vector<std::string> want = expected_files(model.plan);
    struct Row {
      const char* name;
      unsigned workers;
      std::uint64_t tile, input, slab;
      bool in_order;
    };
    const Row rows[] = {{"one worker", 1, 2 << 20, 64 << 20, 0, false},
                        {"seven workers, small tiles", 7, 65'536, 200'000, 0, false},
                        {"in order", 3, 100'000, 150'000, 0, true},
                        {"slabs", 2, 65'536, 90'000, 64'000, false},
                        {"small slabs in order", 2, 32'768, 30'000, 20'000, true}};
    const kernels::TableList tables = kernels::available_tables();
    for (std::size_t t = 0; t < tables.count; ++t) {
      for (const Row& row : rows) {
        CAPTURE(row.name);
        CAPTURE(tables.tables[t]->name);
        MemoryPlan memory;
        memory.workers = row.workers;
        memory.writers = row.in_order ? 1 : 2;
        memory.buffers = 2 * row.workers;
        memory.tile_bytes = row.tile;
        memory.input_bytes = row.input;
        memory.slab_bytes = row.slab;
        memory.idle_bytes = row.workers == 3 ? 0 : 16 << 20;  // else each piece reads from the disk
        MemorySink sink(model.plan, row.in_order);
        CountingObserver observer;
        StopFlag stop;
        const auto report =
            execute(model.plan, memory, *tables.tables[t], sink, {}, observer, stop);
        REQUIRE_MESSAGE(report.ok(), (report.ok() ? "" : report.error().text()));
        CHECK(report.value().bytes_written == model.plan.bytes);
        CHECK(sink.files == want);
        CHECK(observer.calls >= 2);
      }
    }
  }
}

TEST_CASE("the output is the same for any threads, tiles, slabs, kernels and order") {
  check_same_output(scaled_tensors(), testing::kGemmConfig, kFolds);
}

TEST_CASE("compressed-tensors: the output is the same for any threads, tiles, slabs and order") {
  check_same_output(compressed_tensors(), "{}");
}

TEST_CASE("GPTQ: the output is the same for any threads, tiles, slabs, kernels and order") {
  check_same_output(gptq_tensors(), testing::kGptqConfig);
}

// specs/memory.md clause 10.
TEST_CASE("where the system refuses threads the run goes on with fewer, or says so") {
  const PlannedModel model(toy_tensors());
  const std::vector<std::string> want = expected_files(model.plan);
  MemoryPlan memory = model.memory(256'000'000, 4);
  memory.workers = 4;
  memory.writers = 2;
  memory.tile_bytes = 65'536;
  for (unsigned most = 0; most <= 8; ++most) {
    CAPTURE(most);
    const ThreadLimit limit(most);
    MemorySink sink(model.plan, false);
    CountingObserver observer;
    StopFlag stop;
    const auto report = execute(model.plan, memory, scalar_table(), sink, {}, observer, stop);
    REQUIRE(report.ok() == (most >= 3));  // a reader, a writer and a worker
    if (report.ok()) {
      CHECK(sink.files == want);
      continue;
    }
    CHECK(report.error().code == ErrorCode::no_space);
    CHECK(report.error().text().find("gave " + std::to_string(most) + " of the 3 threads") !=
          std::string::npos);
    CHECK(report.error().text().find("ulimit -u") != std::string::npos);
  }
}

TEST_CASE("an error of the sink ends the run and is what the caller gets") {
  const PlannedModel model(toy_tensors());
  MemoryPlan memory = model.memory(256'000'000, 4);
  memory.tile_bytes = 20'480;
  for (const int at : {1, 2, 5, 20}) {
    MemorySink sink(model.plan, false);
    sink.fail_at = at;
    CountingObserver observer;
    StopFlag stop;
    const auto report = execute(model.plan, memory, scalar_table(), sink, {}, observer, stop);
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().text() == "sink: broke");
  }
}

TEST_CASE("a request to stop ends the run with its code") {
  const PlannedModel model(toy_tensors());
  MemoryPlan memory = model.memory(256'000'000, 2);
  memory.tile_bytes = 4'096;
  MemorySink sink(model.plan, false);
  sink.slow = true;
  CountingObserver observer;
  StopFlag stop;
  observer.stop = &stop;
  const auto report = execute(model.plan, memory, scalar_table(), sink, {}, observer, stop);
  REQUIRE_FALSE(report.ok());
  CHECK(report.error().code == ErrorCode::interrupted);
}

TEST_CASE("an input that is truncated under the run ends it as an error that names the file") {
  const PlannedModel model(toy_tensors());
  const std::string shard = model.directory / "model/model.safetensors";
  std::filesystem::resize_file(shard, 8192);
  MemorySink sink(model.plan, false);
  CountingObserver observer;
  StopFlag stop;
  const auto report =
      execute(model.plan, model.memory(256'000'000, 2), scalar_table(), sink, {}, observer, stop);
  REQUIRE_FALSE(report.ok());
  CHECK(report.error().code == ErrorCode::io);
  CHECK(report.error().text().find(shard) != std::string::npos);
}

TEST_CASE("an overflow fails the run and names the tensor, unless it is allowed") {
  std::vector<testing::TensorSpec> tensors;
  testing::add_gemm(tensors, "m", 64, 64, 32, 1);
  std::string& scales = tensors.back().data;
  for (std::size_t i = 1; i < 20; i += 2) scales[i] = '\x7b';  // about 60 000
  const PlannedModel model(tensors);
  for (const bool allowed : {false, true}) {
    MemorySink sink(model.plan, false);
    CountingObserver observer;
    StopFlag stop;
    const auto report = execute(model.plan, model.memory(256'000'000, 2), scalar_table(), sink,
                                {.allow_overflow = allowed}, observer, stop);
    REQUIRE(report.ok() == allowed);
    if (allowed) {
      REQUIRE(report.value().overflows.size() == 1);
      CHECK(report.value().overflows[0].first == "m");
      CHECK(report.value().overflows[0].second > 10);
    } else {
      CHECK(report.error().code == ErrorCode::numbers);
      CHECK(report.error().text().find("m: ") == 0);
      CHECK(report.error().hint.find("bfloat16") != std::string::npos);
    }
  }
}

}  // namespace
}  // namespace thaw
