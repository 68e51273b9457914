// specs/view.md clauses 1 to 4: any bytes of any tensor and any file are those that a conversion
// would write, whoever asks at the same time.
#include "view/model_view.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "execute/expected_files.h"
#include "prepare/prepare.h"
#include "support/places.h"

#if defined(__SANITIZE_THREAD__)
#define THAW_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THAW_THREAD_SANITIZER 1
#endif
#endif
#ifndef THAW_THREAD_SANITIZER
#define THAW_THREAD_SANITIZER 0
#endif

namespace thaw {
namespace {

using testing::PlannedModel;
using testing::TensorSpec;

struct Model {
  const char* name;
  std::vector<TensorSpec> tensors;
  const char* config;
};

std::vector<Model> models() {
  return {
      {"AWQ", testing::toy_tensors(), testing::kGemmConfig},
      {"GPTQ", testing::gptq_tensors(), testing::kGptqConfig},
      {"compressed-tensors", testing::compressed_tensors(),
       R"({"quantization_config": {"quant_method": "compressed-tensors", "config_groups": {}}})"}};
}

ConvertOptions options_for(const std::string& model) {
  ConvertOptions options;
  options.model = model;
  options.threads = 2;
  options.max_shard_size = 500'000;
  return options;
}

std::unique_ptr<ModelView> open_view(const ConvertOptions& options, FileSystem& file_system) {
  auto view = ModelView::open(options, file_system);
  REQUIRE_MESSAGE(view.ok(), (view.ok() ? "" : view.error().text()));
  return std::move(view).value();
}

std::string read(ModelView& view, const PlannedTensor& tensor, std::uint64_t from,
                 std::uint64_t size) {
  std::string bytes(size, '?');
  const Status status = view.read(tensor, from, size, reinterpret_cast<std::byte*>(bytes.data()));
  return status.ok() ? bytes : status.error().text();
}

std::string read_file(ModelView& view, const PlannedFile& file, std::uint64_t offset,
                      std::uint64_t size) {
  std::string bytes(size, '?');
  const Status status =
      view.read_file(file, offset, size, reinterpret_cast<std::byte*>(bytes.data()));
  return status.ok() ? bytes : status.error().text();
}

struct Range {
  std::uint64_t from = 0;
  std::uint64_t size = 0;
};
Range some_range(std::uint64_t size, std::mt19937& random) {
  const std::uint64_t from = random() % size;
  return {from, 1 + random() % (size - from)};
}

TEST_CASE("any bytes of any tensor and file, in an own process and in another's") {
  std::mt19937 random(5);
  for (const Model& entry : models()) {
    CAPTURE(entry.name);
    const PlannedModel model(entry.tensors, {}, entry.config);
    const std::string folder = model.directory / "model";
    for (FileSystem* const file_system : {&real_file_system(), &guest_file_system()}) {
      for (const Dtype dtype : {Dtype::f16, Dtype::f32}) {
        ConvertOptions options = options_for(folder);
        options.dtype = dtype;
        const auto view = open_view(options, *file_system);
        // Made from the files as they are mapped by somebody else.
        ConvertOptions mapped = options;
        const auto other = prepare(mapped, real_file_system());
        REQUIRE(other.ok());
        const std::vector<std::string> files = testing::expected_files(other.value()->plan);
        REQUIRE(view->plan().files.size() == files.size());
        for (std::size_t f = 0; f < files.size(); ++f) {
          const PlannedFile& file = view->plan().files[f];
          CAPTURE(file.name);
          REQUIRE(file.size == files[f].size());
          CHECK(read_file(*view, file, 0, file.size) == files[f]);
          for (int i = 0; i < 8 && file.size != 0; ++i) {
            const Range range = some_range(file.size, random);
            CHECK(read_file(*view, file, range.from, range.size) ==
                  files[f].substr(range.from, range.size));
          }
        }
        for (const PlannedTensor& tensor : view->plan().tensors) {
          CAPTURE(std::string(tensor.name));
          const std::string want = files[tensor.file].substr(tensor.offset, tensor.size);
          CHECK(read(*view, tensor, 0, tensor.size) == want);
          for (int i = 0; i < 8 && tensor.size != 0; ++i) {
            const Range range = some_range(tensor.size, random);
            CHECK(read(*view, tensor, range.from, range.size) ==
                  want.substr(range.from, range.size));
          }
        }
      }
    }
  }
}

TEST_CASE("eight threads read one model at once, with next to no memory kept") {
  const PlannedModel model(testing::toy_tensors(), {}, testing::kGemmConfig);
  ConvertOptions options = options_for(model.directory / "model");
  options.memory = 64'000'000;
  const auto view = open_view(options, guest_file_system());
  std::vector<std::string> want;
  for (const PlannedTensor& tensor : view->plan().tensors) {
    want.push_back(read(*view, tensor, 0, tensor.size));
  }
  std::vector<std::thread> threads;
  std::vector<int> wrong(8);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<std::uint32_t>(t));
      for (int i = 0; i < 60; ++i) {
        const std::size_t index = random() % want.size();
        const PlannedTensor& tensor = view->plan().tensors[index];
        if (tensor.size == 0) continue;
        const Range range = some_range(tensor.size, random);
        if (read(*view, tensor, range.from, range.size) !=
            want[index].substr(range.from, range.size)) {
          ++wrong[t];
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : wrong) CHECK(count == 0);
}

// TSan ends a process that starts threads after it was forked from one that had some; the other
// builds run this.
TEST_CASE("a forked process reads on, with threads of its own" *
          doctest::skip(THAW_THREAD_SANITIZER != 0)) {
  const PlannedModel model(testing::toy_tensors(), {}, testing::kGemmConfig);
  const auto view = open_view(options_for(model.directory / "model"), guest_file_system());
  const PlannedFile& shard = view->plan().files.back();
  const std::string want = read_file(*view, shard, 0, shard.size);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(read_file(*view, shard, 0, shard.size) == want ? 0 : 1);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(read_file(*view, shard, 0, shard.size) == want);
}

TEST_CASE("what is cut short, or written to, after it was opened is an error, not zeros") {
  for (FileSystem* const file_system : {&real_file_system(), &guest_file_system()}) {
    for (const bool cut : {true, false}) {
      CAPTURE(cut);
      const PlannedModel model(testing::toy_tensors(), {}, testing::kGemmConfig);
      const std::string shard = model.directory / "model/model.safetensors";
      const auto view = open_view(options_for(model.directory / "model"), *file_system);
      const PlannedTensor* tensor = view->plan().find("model.layers.1.mlp.up_proj.weight");
      REQUIRE(tensor != nullptr);
      if (cut) {
        std::filesystem::resize_file(shard, 4096);
      } else {
        std::filesystem::last_write_time(
            shard, std::filesystem::last_write_time(shard) + std::chrono::seconds(5));
      }
      std::string bytes(tensor->size, '?');
      const Status status =
          view->read(*tensor, 0, tensor->size, reinterpret_cast<std::byte*>(bytes.data()));
      REQUIRE_FALSE(status.ok());
      CHECK(status.error().code == ErrorCode::io);
      CHECK(status.error().text().find(shard) != std::string::npos);
    }
  }
}

TEST_CASE("values too large for float16 are an error, or infinite where that is allowed") {
  std::vector<TensorSpec> tensors = testing::toy_tensors();
  tensors.push_back({"large.weight", Dtype::bf16, {1, 2}, std::string("\x80\x3f\x80\x4f", 4)});
  const PlannedModel model(tensors, {}, testing::kGemmConfig);
  ConvertOptions options = options_for(model.directory / "model");
  for (const bool allowed : {false, true}) {
    options.allow_overflow = allowed;
    const auto view = open_view(options, guest_file_system());
    const PlannedTensor* tensor = view->plan().find("large.weight");
    REQUIRE(tensor != nullptr);
    std::string bytes(4, '?');
    const Status status = view->read(*tensor, 0, 4, reinterpret_cast<std::byte*>(bytes.data()));
    if (allowed) {
      CHECK(status.ok());
      CHECK(bytes == std::string("\x00\x3c\x00\x7c", 4));
    } else {
      REQUIRE_FALSE(status.ok());
      CHECK(status.error().code == ErrorCode::numbers);
    }
  }
}

TEST_CASE("bytes that a tensor or file does not have are refused") {
  const auto view = open_view(options_for(THAW_TEST_DATA + std::string("/qwen2-awq-gemm/model")),
                              guest_file_system());
  std::byte byte{};
  const PlannedTensor& tensor = view->plan().tensors.front();
  CHECK(view->read(tensor, tensor.size, 0, &byte).ok());
  CHECK(view->read(tensor, tensor.size, 1, &byte).error().code == ErrorCode::bug);
  CHECK(view->read(tensor, 1, tensor.size, &byte).error().code == ErrorCode::bug);
  CHECK(view->read_file(view->plan().files.front(), 1, ~std::uint64_t{0}, &byte).error().code ==
        ErrorCode::bug);
}

}  // namespace
}  // namespace thaw
