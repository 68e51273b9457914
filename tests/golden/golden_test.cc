// Recognition and kernels together against weights that the producers' packers imply
// (tests/data/README.md): every table of this CPU, every output, whole and in tiles.
#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/half.h"
#include "golden/dequantize.h"
#include "golden/plain_decoder.h"
#include "golden/sha256.h"
#include "kernels/kernels.h"
#include "quant/golden_cases.h"
#include "quant/linears.h"
#include "quant/model_files.h"
#include "support/layout_names.h"
#include "support/places.h"

namespace thaw {
namespace {

using kernels::FloatType;
using kernels::OutputFormat;
using kernels::Rounding;
using kernels::Stores;

std::vector<const kernels::Table*> tables() {
  const kernels::TableList list = kernels::available_tables();
  REQUIRE(list.count >= 1);
  return {list.tables, list.tables + list.count};
}

const kernels::Layout& kernel_of(const kernels::Table& table, const QuantizedLinear& linear) {
  const kernels::Layout& layout =
      kernels::layout_in(table, test::layout_named(linear.layout->name));
  REQUIRE(layout.row_block == linear.layout->row_block);
  return layout;
}

QuantizedLinears find(const Checkpoint& checkpoint) {
  Result<QuantizedLinears> result = find_quantized_linears(checkpoint);
  REQUIRE_MESSAGE(result.ok(), result.error().text());
  return std::move(result).value();
}

bool is_nan(std::uint32_t bits, FloatType type) {
  if (type == FloatType::float16) return (bits & 0x7fffu) > 0x7c00u;
  if (type == FloatType::bfloat16) return (bits & 0x7fffu) > 0x7f80u;
  return (bits & 0x7fffffffu) > 0x7f800000u;
}

std::uint32_t element(std::span<const std::byte> bytes, std::size_t index, FloatType type) {
  return type == FloatType::float32
             ? load_little_endian<std::uint32_t>(&bytes[index * 4])
             : std::uint32_t{load_little_endian<std::uint16_t>(&bytes[index * 2])};
}

std::string hex(std::uint32_t value) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%x", value);
  return text.data();
}

// Empty when all bits are equal, a NaN counting as any other.
std::string first_difference(std::span<const std::byte> got, std::span<const std::byte> want,
                             FloatType type, std::uint64_t columns) {
  if (got.size() != want.size()) return "sizes differ";
  if (std::memcmp(got.data(), want.data(), got.size()) == 0) return {};
  for (std::size_t i = 0; i < got.size() / test::element_size(type); ++i) {
    const std::uint32_t a = element(got, i, type);
    const std::uint32_t b = element(want, i, type);
    if (a == b || (is_nan(a, type) && is_nan(b, type))) continue;
    return "row " + std::to_string(i / columns) + ", column " + std::to_string(i % columns) +
           ": got " + hex(a) + ", want " + hex(b);
  }
  return {};
}

// What one output format must give.
struct Expectation {
  std::string name;
  OutputFormat format;
  std::vector<std::byte> bytes;
};

std::vector<std::byte> copy_of(const Checkpoint& checkpoint, const char* name) {
  const Tensor* tensor = checkpoint.find(name);
  REQUIRE_MESSAGE(tensor != nullptr, name);
  const std::span<const std::byte> bytes = checkpoint.bytes(*tensor);
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> bfloat16_from_halves(std::span<const std::byte> halves) {
  std::vector<std::byte> bytes(halves.size());
  for (std::size_t i = 0; i < halves.size(); i += 2) {
    const float value = float_from_half(load_little_endian<std::uint16_t>(&halves[i]));
    const std::uint16_t bits = bfloat16_from_float(value);
    std::memcpy(&bytes[i], &bits, 2);
  }
  return bytes;
}

// Of the file where it has one, and of the decoder wherever that applies; the two must agree.
std::vector<std::byte> expected_float32(const Checkpoint& checkpoint,
                                        const QuantizedLinear& linear) {
  const bool in_file = checkpoint.find("expected.fp32") != nullptr;
  if (linear.scale_dtype != Dtype::f16 ||
      linear.layout->family == LayoutFamily::compressed_tensors) {
    return copy_of(checkpoint, "expected.fp32");
  }
  const std::vector<float> decoded = test::PlainDecoder(checkpoint, linear).decode();
  const std::span<const std::byte> bytes = std::as_bytes(std::span(decoded));
  if (in_file) {
    const std::vector<std::byte> want = copy_of(checkpoint, "expected.fp32");
    CHECK(first_difference(bytes, want, FloatType::float32, linear.in_features) == "");
  }
  return {bytes.begin(), bytes.end()};
}

std::vector<Expectation> expectations(const Checkpoint& checkpoint, const QuantizedLinear& linear) {
  const std::vector<std::byte> halves = copy_of(checkpoint, "expected.fp16");
  return {
      {"float16", {.type = FloatType::float16}, halves},
      {"bfloat16", {.type = FloatType::bfloat16}, copy_of(checkpoint, "expected.bf16")},
      {"bfloat16 via float16",
       {.type = FloatType::bfloat16, .rounding = Rounding::via_float16},
       bfloat16_from_halves(halves)},
      {"float32", {.type = FloatType::float32}, expected_float32(checkpoint, linear)},
  };
}

void check_linear(const Checkpoint& checkpoint, const QuantizedLinear& linear) {
  const std::uint64_t block = linear.layout->row_block;
  const std::uint64_t rows = linear.out_features;
  for (const Expectation& expected : expectations(checkpoint, linear)) {
    CAPTURE(expected.name);
    for (const kernels::Table* table : tables()) {
      CAPTURE(std::string(table->name));
      const kernels::Layout& kernel = kernel_of(*table, linear);
      for (const Stores stores : {Stores::normal, Stores::streaming}) {
        CAPTURE((stores == Stores::streaming));
        OutputFormat format = expected.format;
        format.stores = stores;
        for (const std::uint64_t tile : {rows, block, 3 * block, linear.layout->row_step}) {
          for (const bool as_views : {false, true}) {
            if (as_views && linear.layout->family == LayoutFamily::compressed_tensors) continue;
            CAPTURE(tile);
            CAPTURE(as_views);
            const std::vector<std::byte> got =
                test::dequantize(checkpoint, linear, kernel, format, tile, as_views);
            CHECK(first_difference(got, expected.bytes, format.type, linear.in_features) == "");
          }
        }
      }
    }
  }
}

TEST_CASE("golden linears: every table, output and tiling: the producer's bits") {
  for (const test::GoldenCase& golden : test::golden_cases()) {
    CAPTURE(golden.name);
    const test::ModelDirectory directory;
    golden.write_to(directory);
    const Checkpoint checkpoint = directory.open();
    const QuantizedLinears found = find(checkpoint);
    REQUIRE(found.linears.size() == 1);
    check_linear(checkpoint, found.linears[0]);
  }
}

TEST_CASE("sha256: the test vectors of FIPS 180-4") {
  const auto hash = [](std::string_view text) {
    return test::sha256_hex(std::as_bytes(std::span(text.data(), text.size())));
  };
  CHECK(hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

// The sha256 of a tensor of the float checkpoint, of which the caller knows the shape.
std::string expected_hash(const json::Node& expected, const std::string& name,
                          const std::vector<std::uint64_t>& shape, std::string_view dtype) {
  const json::Node* entry = expected.find(name);
  REQUIRE_MESSAGE(entry != nullptr, name);
  CHECK(entry->find("dtype")->as_string() == dtype);
  std::vector<std::uint64_t> want;
  for (const json::Node& extent : entry->find("shape")->items) {
    want.push_back(static_cast<std::uint64_t>(extent.as_integer().value()));
  }
  CHECK(shape == want);
  return std::string(entry->find("sha256")->as_string().value());
}

TEST_CASE("whole checkpoints: every tensor of the float checkpoint: the expected hash") {
  struct Row {
    std::string folder;
    FloatType type = FloatType::float16;
  };
  for (const Row& row : {Row{"qwen2-awq-gemm"}, Row{"qwen2-awq-gemv"}, Row{"qwen2-awq-gemv_fast"},
                         Row{"qwen2-awq-marlin"}, Row{"qwen3-ct-awq-asym", FloatType::bfloat16},
                         Row{"qwen3moe-ct-w4a16-sym", FloatType::bfloat16},
                         Row{"llama-ct-w8a16-channel", FloatType::bfloat16},
                         Row{"llama-ct-int8-w8a8", FloatType::bfloat16},
                         Row{"qwen3-ct-int8-w4a8", FloatType::bfloat16},
                         Row{"llama-gptq-v1-desc_act", FloatType::bfloat16},
                         Row{"llama-gptqmodel-awq", FloatType::bfloat16},
                         Row{"llama-autoround-gptq", FloatType::bfloat16},
                         Row{"llama-autoround-mixed", FloatType::bfloat16}}) {
    const std::string& folder = row.folder;  // clang 14 captures no structured bindings
    const FloatType type = row.type;
    CAPTURE(folder);
    const std::string_view dtype = type == FloatType::float16 ? "F16" : "BF16";
    const std::string path = THAW_TEST_DATA "/" + folder;
    Result<Checkpoint> opened = open_checkpoint(real_file_system(), path + "/model");
    REQUIRE_MESSAGE(opened.ok(), opened.error().text());
    const Checkpoint& checkpoint = opened.value();
    const QuantizedLinears found = find(checkpoint);
    const json::Node expected =
        test::parse_json("expected.json", test::read_text(path + "/expected.json"));
    std::size_t checked = 0;
    for (const QuantizedLinear& linear : found.linears) {
      CAPTURE(std::string(linear.module));
      const std::string want = expected_hash(expected, std::string(linear.module) + ".weight",
                                             {linear.out_features, linear.in_features}, dtype);
      for (const kernels::Table* table : tables()) {
        CAPTURE(std::string(table->name));
        for (const Stores stores : {Stores::normal, Stores::streaming}) {
          const std::vector<std::byte> got =
              test::dequantize(checkpoint, linear, kernel_of(*table, linear),
                               {.type = type, .stores = stores}, linear.out_features);
          CHECK(test::sha256_hex(got) == want);
        }
      }
      ++checked;
    }
    for (std::size_t i = 0; i < checkpoint.tensors().size(); ++i) {
      if (found.consumed[i] != 0) continue;
      const Tensor& tensor = checkpoint.tensors()[i];
      CAPTURE(std::string(tensor.name));
      CHECK(test::sha256_hex(checkpoint.bytes(tensor)) ==
            expected_hash(expected, std::string(tensor.name),
                          {tensor.shape.begin(), tensor.shape.end()}, dtype));
      ++checked;
    }
    CHECK(checked == expected.members.size());
  }
}

}  // namespace
}  // namespace thaw
