// What the fuzzer of whole checkpoints runs, and what a test runs over its corpus: a config and
// tensors of any names, types and shapes go through recognition and the plan, and every segment of
// the plan is made. The packed tensors lie in blocks of exactly their size, so that a sanitizer
// sees a kernel that reads beyond one.
//
// The input is config.json up to the first zero byte, and lines behind it, a tensor each:
//   I32 model.layers.0.q_proj.qweight 128 8 : 1 -7 300
// type, name and shape; behind the colon numbers that fill it as elements, again and again.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "execute/linear_view.h"
#include "execute/make_segment.h"
#include "execute/tensor_reader.h"
#include "fuzz/require.h"
#include "prepare/prepare.h"
#include "support/places.h"
#include "support/safetensors_file.h"
#include "support/temporary_directory.h"

namespace thaw::fuzz {

constexpr std::uint64_t kMostInput = 1u << 20;
constexpr std::uint64_t kMostOutput = 2u << 20;

// Elements of `bits` bits; the last bytes of one that is cut off are left as they are.
inline void fill_elements(std::string& data, std::uint64_t bits,
                          const std::vector<long long>& with) {
  const std::size_t step = std::max<std::size_t>(1, bits / 8);
  for (std::size_t at = 0, i = 0; !with.empty() && at + step <= data.size(); at += step, ++i) {
    std::memcpy(&data[at], &with[i % with.size()], step);
  }
}

// The tensors that the lines name, as far as they fit.
inline std::vector<testing::TensorSpec> read_tensors(const std::string& text) {
  std::vector<testing::TensorSpec> tensors;
  std::uint64_t total = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line) && tensors.size() < 64;) {
    std::istringstream words(line);
    std::string type;
    std::string word;
    testing::TensorSpec tensor;
    words >> type >> tensor.name;
    const std::optional<Dtype> dtype = parse_dtype(type);
    if (!dtype || tensor.name.empty() || !is_safe_line(tensor.name) ||
        tensor.name.find_first_of("\"\\") != std::string::npos) {
      continue;
    }
    tensor.dtype = *dtype;
    std::uint64_t bits = dtype_bits(*dtype);
    while (words >> word && word != ":" && tensor.shape.size() < 4) {
      tensor.shape.push_back(std::strtoull(word.c_str(), nullptr, 10) % kMostInput);
      bits = std::min(bits * tensor.shape.back(), std::uint64_t{1} << 40);
    }
    std::vector<long long> with;
    while (words >> word && with.size() < 512) with.push_back(std::atoll(word.c_str()));
    if (bits % 8 != 0 || total + bits / 8 > kMostInput) continue;
    total += bits / 8;
    tensor.data.assign(bits / 8, '\0');
    fill_elements(tensor.data, dtype_bits(*dtype), with);
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

// An operand's tensor alone in memory.
class Alone {
 public:
  void move(const Checkpoint& checkpoint, const PackedOperand& operand, kernels::Operand& view) {
    if (operand.tensor == nullptr) return;
    const std::uint64_t size = operand.tensor->size();
    require(operand.lines * operand.pitch <= size);
    block_ = std::make_unique<std::byte[]>(size);
    std::copy_n(checkpoint.bytes(*operand.tensor).data(), size, block_.get());
    view.data = block_.get();
  }

 private:
  std::unique_ptr<std::byte[]> block_;
};

// Woven segments are made from the mapped file: their parts are segments as the others are.
inline std::uint64_t make_woven(const Prepared& prepared, const Segment& segment, std::byte* out) {
  InputCache input(prepared.plan.inputs, 1u << 20, InputCache::ReadAhead::none);
  const TensorReader reader(prepared.plan, *prepared.table, input);
  ReadSpace space;
  const Result<std::uint64_t> overflows = reader.read_woven(segment, space, out);
  require(overflows.ok());
  return overflows.value();
}

inline void make_file(const Prepared& prepared, const PlannedFile& file) {
  std::uint64_t covered = 0;
  for (const Segment& segment : file.segments) {
    require(segment.offset == covered && segment.size <= file.size - covered);
    covered += segment.size;
    // Multiples of 64 bytes, as aligned_alloc wants them, of which the segment gets the first.
    const std::size_t room = (segment.size + 127) / 64 * 64;
    const std::unique_ptr<std::byte, void (*)(void*)> out(
        static_cast<std::byte*>(std::aligned_alloc(64, room)), std::free);
    TileSource source;
    std::array<Alone, kRoleCount> alone;
    std::unique_ptr<std::byte, void (*)(void*)> scratch(nullptr, std::free);
    if (segment.kind == SegmentKind::tile) {
      const QuantizedLinear& linear = *prepared.plan.linears[segment.source];
      source.view = mapped_view(prepared.plan, linear);
      // Roles have the same order in lib/quant and lib/kernels: a test of lib/execute says so.
      for (std::size_t i = 0; i < kRoleCount; ++i) {
        alone[i].move(prepared.checkpoint, linear[static_cast<Role>(i)], source.view.operands[i]);
      }
      if (segment.divisor != 0) {
        const std::size_t bytes = (scratch_bytes(linear) + 63) / 64 * 64;
        scratch.reset(static_cast<std::byte*>(std::aligned_alloc(64, bytes)));
        source.scratch = scratch.get();
      }
    }
    std::memset(out.get(), 0xa5, room);
    const std::uint64_t overflows = segment.kind == SegmentKind::woven
                                        ? make_woven(prepared, segment, out.get())
                                        : make_segment(prepared.plan, *prepared.table, segment,
                                                       source, kernels::Stores::normal, out.get());
    require(overflows <= segment.size);
    for (std::size_t i = segment.size; i < room; ++i) require(out.get()[i] == std::byte{0xa5});
  }
  require(covered == file.size);
}

inline void run_checkpoint(const std::uint8_t* data, std::size_t size) {
  static const testing::TemporaryDirectory directory;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = std::min(text.find('\0'), text.size());
  const std::vector<testing::TensorSpec> tensors =
      read_tensors(text.substr(std::min(zero + 1, text.size())));
  directory.write("config.json", std::string_view(text).substr(0, zero));
  ConvertOptions options;
  options.model = directory.write("w.safetensors", testing::safetensors(tensors));
  options.model_specs = THAW_MODEL_SPECS;
  options.memory = 1'000'000'000;
  options.threads = 1;
  const auto result = prepare(options, real_file_system());
  if (!result.ok()) return check_error(result.error());
  const Prepared& prepared = *result.value();
  for (const std::string& warning : prepared.linears.warnings) require(is_safe_line(warning));
  if (prepared.plan.bytes > kMostOutput) return;
  for (const PlannedFile& file : prepared.plan.files) make_file(prepared, file);
}

}  // namespace thaw::fuzz
