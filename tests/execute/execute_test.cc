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
#include "execute/expected_files.h"
#include "execute/threads.h"
#include "io/crc32.h"
#include "support/planned_model.h"

namespace thaw {
namespace {

using testing::bytes_of;
using testing::compressed_tensors;
using testing::expected_files;
using testing::Folds;
using testing::gptq_tensors;
using testing::kFolds;
using testing::PlannedModel;
using testing::scalar_table;
using testing::scaled_tensors;
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

double value_at(const std::string& bytes, std::size_t index, Dtype dtype) {
  if (dtype == Dtype::f32) {
    return static_cast<double>(load_little_endian<float>(bytes.data() + index * 4));
  }
  const auto bits = load_little_endian<std::uint16_t>(bytes.data() + index * 2);
  return static_cast<double>(dtype == Dtype::f16 ? float_from_half(bits)
                                                 : float_from_bfloat16(bits));
}

TEST_CASE("a divided weight is the float32 weight over its scales, rounded once") {
  const std::vector<testing::TensorSpec> tensors = scaled_tensors();
  const PlannedModel divided(tensors, {.dtype = Dtype::f32}, testing::kGemmConfig, kFolds);
  const PlannedModel plain(tensors, {.dtype = Dtype::f32});
  CHECK(divided.plan.tensors.size() == plain.plan.tensors.size() - kFolds.size());
  CHECK(divided.plan.fingerprint != plain.plan.fingerprint);
  for (const auto& fold : kFolds) {
    const std::string& scales_name = fold.first;
    const std::string& module = fold.second;
    CAPTURE(module);
    const Tensor& scales = *divided.checkpoint->find(scales_name);
    const auto mapped = divided.checkpoint->bytes(scales);
    const std::string by(reinterpret_cast<const char*>(mapped.data()), mapped.size());
    const std::string name = module + ".weight";
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
            execute(model.plan, model.plan, memory, *tables.tables[t], sink, {}, observer, stop);
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
    const auto report =
        execute(model.plan, model.plan, memory, scalar_table(), sink, {}, observer, stop);
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

TEST_CASE("woven experts are the same whether their input is held or read block by block") {
  std::vector<testing::TensorSpec> tensors;
  for (const char* const name : {"0.gate_proj", "0.up_proj", "0.down_proj"}) {
    testing::add_gemm(tensors, std::string("layers.0.experts.") + name, 256, 256, 32, 7);
  }
  ModelSpec spec;
  spec.layers = {"layers"};
  spec.experts = ExpertForm{.module = "experts",
                            .gate = {"gate_proj"},
                            .up = {"up_proj"},
                            .down = {"down_proj"},
                            .fused = true,
                            .transposed = true,
                            .count = {}};
  const PlannedModel model(tensors, {.expert_spec = &spec});
  std::vector<std::vector<std::string>> outputs;
  for (const std::uint64_t input : {std::uint64_t{64} << 20, std::uint64_t{20'000}}) {
    MemoryPlan memory;
    memory.workers = 3;
    memory.writers = 2;
    memory.buffers = 6;
    memory.tile_bytes = 40'960;
    memory.input_bytes = input;
    memory.slab_bytes = 16 << 20;
    MemorySink sink(model.plan, false);
    CountingObserver observer;
    StopFlag stop;
    const auto report =
        execute(model.plan, model.plan, memory, scalar_table(), sink, {}, observer, stop);
    REQUIRE_MESSAGE(report.ok(), (report.ok() ? "" : report.error().text()));
    outputs.push_back(sink.files);
  }
  CHECK(outputs[0] == outputs[1]);
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
    const auto report =
        execute(model.plan, model.plan, memory, scalar_table(), sink, {}, observer, stop);
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
  const auto report =
      execute(model.plan, model.plan, memory, scalar_table(), sink, {}, observer, stop);
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
  const auto report = execute(model.plan, model.plan, model.memory(256'000'000, 2), scalar_table(),
                              sink, {}, observer, stop);
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
    const auto report = execute(model.plan, model.plan, model.memory(256'000'000, 2),
                                scalar_table(), sink, {.allow_overflow = allowed}, observer, stop);
    REQUIRE(report.ok() == allowed);
    if (allowed) {
      REQUIRE(report.value().overflows.size() == 1);
      CHECK(report.value().overflows[0].first == "m.weight");
      CHECK(report.value().overflows[0].second > 10);
    } else {
      CHECK(report.error().code == ErrorCode::numbers);
      CHECK(report.error().text().find("m.weight: ") == 0);
      CHECK(report.error().hint.find("bfloat16") != std::string::npos);
    }
  }
}

}  // namespace
}  // namespace thaw
