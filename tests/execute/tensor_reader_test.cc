// Any bytes of any tensor are those that its file holds, however they are asked for.
#include "execute/tensor_reader.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "execute/expected_files.h"

namespace thaw {
namespace {

using testing::PlannedModel;
using testing::TensorSpec;

struct Model {
  const char* name;
  std::vector<TensorSpec> tensors;
  const char* config;
  testing::Folds folds = {};
};

std::vector<Model> models() {
  return {{"AWQ", testing::scaled_tensors(), testing::kGemmConfig, testing::kFolds},
          {"compressed-tensors", testing::compressed_tensors(), "{}"},
          {"GPTQ", testing::gptq_tensors(), testing::kGptqConfig}};
}

class Reading {
 public:
  Reading(const Plan& plan, const kernels::Table& table)
      : input_(plan.inputs, 1 << 20), reader_(plan, table, input_) {}

  // Bytes [from, from + size), written `shift` bytes behind an aligned place, with poison around.
  std::string read(const PlannedTensor& tensor, std::uint64_t from, std::uint64_t size,
                   std::uint64_t shift, const TensorReader::Hold* hold = nullptr) {
    constexpr std::uint64_t kGuard = 64;
    AlignedMemory memory = AlignedMemory::allocate(size + shift + 2 * kGuard).value();
    std::byte* const out = memory.data() + kGuard + shift;
    std::memset(memory.data(), 0x5a, size + shift + 2 * kGuard);
    const Status status = reader_.read(tensor, from, size, hold, space_, out).take_status();
    REQUIRE_MESSAGE(status.ok(), (status.ok() ? "" : status.error().text()));
    CHECK(out[-1] == std::byte{0x5a});
    CHECK(out[size] == std::byte{0x5a});
    return {reinterpret_cast<const char*>(out), size};
  }
  [[nodiscard]] const TensorReader& reader() const { return reader_; }

 private:
  InputCache input_;
  TensorReader reader_;
  ReadSpace space_;
};

// Some [from, from + size) of a tensor, which need not begin or end with an element.
std::pair<std::uint64_t, std::uint64_t> some_range(const PlannedTensor& tensor,
                                                   std::mt19937& random) {
  const std::uint64_t from = random() % tensor.size;
  return {from, 1 + random() % (tensor.size - from)};
}

TEST_CASE("any bytes of any tensor, on any table: the bytes of its file") {
  std::mt19937 random(11);
  for (const Model& entry : models()) {
    for (const Dtype dtype : {Dtype::bf16, Dtype::f32}) {
      CAPTURE(entry.name);
      const PlannedModel model(entry.tensors, {.dtype = dtype, .max_shard_size = 500'000},
                               entry.config, entry.folds);
      const std::vector<std::string> files = testing::expected_files(model.plan);
      const kernels::TableList tables = kernels::available_tables();
      for (std::size_t t = 0; t < tables.count; ++t) {
        Reading reading(model.plan, *tables.tables[t]);
        for (const PlannedTensor& tensor : model.plan.tensors) {
          CAPTURE(std::string(tensor.name));
          const std::string want = files[tensor.file].substr(tensor.offset, tensor.size);
          CHECK(reading.read(tensor, 0, tensor.size, 0) == want);
          if (tensor.size == 0) continue;
          for (int i = 0; i < 4; ++i) {
            const auto [from, size] = some_range(tensor, random);
            CHECK(reading.read(tensor, from, size, 4 * (random() % 3)) == want.substr(from, size));
          }
        }
      }
    }
  }
}

TEST_CASE("held whole, held as a slab and not held: the same rows, in several threads") {
  std::mt19937 random(12);
  for (const Model& entry : models()) {
    CAPTURE(entry.name);
    const PlannedModel model(entry.tensors, {.dtype = Dtype::f32}, entry.config, entry.folds);
    const std::vector<std::string> files = testing::expected_files(model.plan);
    for (const PlannedTensor& tensor : model.plan.tensors) {
      if (tensor.size == 0) continue;
      const std::string want = files[tensor.file].substr(tensor.offset, tensor.size);
      for (const std::uint64_t most : {std::uint64_t{0}, std::uint64_t{1} << 30}) {
        Reading reading(model.plan, testing::scalar_table());
        TensorReader::Hold hold(reading.reader());
        const auto [from, size] = some_range(tensor, random);
        REQUIRE(hold.keep(tensor, from, size, most).ok());
        CHECK(reading.read(tensor, from, size, 0, &hold) == want.substr(from, size));
        std::vector<std::thread> threads;
        std::vector<std::string> got(3, std::string(size, '\0'));
        for (std::string& bytes : got) {
          threads.emplace_back([&, begin = from, count = size] {
            ReadSpace space;
            const Result<std::uint64_t> overflows = reading.reader().read(
                tensor, begin, count, &hold, space, reinterpret_cast<std::byte*>(bytes.data()));
            if (!overflows.ok()) bytes.clear();
          });
        }
        for (std::thread& thread : threads) thread.join();
        for (const std::string& bytes : got) CHECK(bytes == want.substr(from, size));
      }
    }
  }
}

TEST_CASE("a plan without files is read as one with them") {
  const PlannedModel model(testing::compressed_tensors(), {.dtype = Dtype::f16}, "{}");
  const auto loose = plan_tensors(
      {.checkpoint = model.checkpoint.get(), .linears = &model.linears, .dtype = Dtype::f16});
  REQUIRE(loose.ok());
  CHECK(loose.value().files.empty());
  REQUIRE(loose.value().tensors.size() == model.plan.tensors.size());
  Reading reading(loose.value(), testing::scalar_table());
  for (const PlannedTensor& tensor : loose.value().tensors) {
    CHECK(tensor.file == PlannedTensor::kNoFile);
    CHECK(reading.read(tensor, 0, tensor.size, 0) == testing::bytes_of(model.plan, tensor.name));
  }
}

// Experts of several layouts in the forms that make weaves: read in any pieces, and made by runs
// with little memory, they have the same bytes.
TEST_CASE("transposed and interleaved experts: the same bytes in any pieces and any memory") {
  for (const bool interleaved : {false, true}) {
    for (const char* const layout : {"compressed-tensors", "AWQ"}) {
      CAPTURE(layout);
      std::vector<TensorSpec> tensors;
      for (std::uint32_t e = 0; e < 3; ++e) {
        std::uint32_t seed = 100 * e;
        const std::string path = "model.layers.0.mlp.experts." + std::to_string(e);
        for (const char* const name : {".gate_proj", ".up_proj", ".down_proj"}) {
          const bool down = std::string_view(name) == ".down_proj";
          const std::uint64_t in = down ? 96 : 256;
          const std::uint64_t out = down ? 256 : 96;
          if (layout[0] == 'A') {
            testing::add_gemm(tensors, path + name, in, out, 32, ++seed);
          } else {
            testing::add_compressed(tensors, path + name, 0, in, out, 32, ++seed);
          }
        }
      }
      ModelSpec spec;
      spec.layers = {"model.layers"};
      spec.experts = ExpertForm{.module = "mlp.experts",
                                .gate = {"gate_proj"},
                                .up = {"up_proj"},
                                .down = {"down_proj"},
                                .fused = true,
                                .transposed = true,
                                .interleaved = interleaved,
                                .count = {}};
      const char* const config = layout[0] == 'A' ? testing::kGemmConfig : "{}";
      const PlannedModel plain(tensors, {.dtype = Dtype::f32}, config);
      const PlannedModel fused(tensors, {.dtype = Dtype::f32, .expert_spec = &spec}, config);
      REQUIRE(fused.plan.tensors.size() == 2);
      // What the matrices should be, from the linears one by one.
      std::string want;
      for (std::uint64_t e = 0; e < 3; ++e) {
        const std::string path = "model.layers.0.mlp.experts." + std::to_string(e);
        const std::string gate = testing::bytes_of(plain.plan, path + ".gate_proj.weight");
        const std::string up = testing::bytes_of(plain.plan, path + ".up_proj.weight");
        for (std::uint64_t k = 0; k < 256; ++k) {
          for (std::uint64_t j = 0; j < 192; ++j) {
            const bool first = interleaved ? j % 2 == 0 : j < 96;
            const std::uint64_t n = interleaved ? j / 2 : j % 96;
            want += (first ? gate : up).substr((n * 256 + k) * 4, 4);
          }
        }
      }
      const PlannedTensor* tensor = fused.plan.find("model.layers.0.mlp.experts.gate_up_proj");
      REQUIRE(tensor != nullptr);
      Reading reading(fused.plan, testing::scalar_table());
      CHECK(reading.read(*tensor, 0, tensor->size, 0) == want);
      std::mt19937 random(13);
      for (int i = 0; i < 6; ++i) {
        const auto [from, size] = some_range(*tensor, random);
        CHECK(reading.read(*tensor, from, size, 4 * (random() % 3)) == want.substr(from, size));
      }
    }
  }
}

TEST_CASE("an input that became shorter is an error that names it, held or not") {
  for (const Model& entry : models()) {
    const PlannedModel model(entry.tensors, {.dtype = Dtype::f32}, entry.config, entry.folds);
    const std::string shard = model.directory / "model/model.safetensors";
    std::filesystem::resize_file(shard, 4096);
    InputCache input(model.plan.inputs, 0);
    const TensorReader reader(model.plan, testing::scalar_table(), input);
    for (const PlannedTensor& tensor : model.plan.tensors) {
      if (tensor.size < 100'000) continue;
      ReadSpace space;
      AlignedMemory out = AlignedMemory::allocate(tensor.size).value();
      const Status status =
          reader.read(tensor, 0, tensor.size, nullptr, space, out.data()).take_status();
      REQUIRE_FALSE(status.ok());
      CHECK(status.error().text().find(shard) != std::string::npos);
      TensorReader::Hold hold(reader);
      if (const Status kept = hold.keep(tensor, 0, tensor.size, 0); !kept.ok()) {
        CHECK(kept.error().text().find(shard) != std::string::npos);
      }
    }
  }
}

}  // namespace
}  // namespace thaw
