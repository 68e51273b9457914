#include "layout.h"

#include <stdexcept>
#include <utility>

namespace thaw::tools {

namespace {

TensorSpec packed(const PackOptions& options, const std::string& name, std::string dtype,
                  std::uint64_t rows, std::uint64_t columns, Content content) {
  TensorSpec tensor;
  tensor.name = name;
  tensor.dtype = std::move(dtype);
  tensor.shape = {rows, columns};
  tensor.content = content;
  tensor.key = key_of(options.seed, name);
  tensor.used_rows = rows;
  tensor.used_row_bytes = tensor.row_bytes();
  return tensor;
}

// How many words of eight groups AutoAWQ's GEMV keeps for a row.
std::uint64_t zeros_width(std::uint64_t in_features, std::uint64_t group_size) {
  const std::uint64_t words = (in_features / group_size + 7) / 8;
  const std::uint64_t multiple = group_size >= 128 ? 1 : group_size == 64 ? 2 : 4;
  return (words + multiple - 1) / multiple * multiple;
}

// Prime, and no divisor of any model's sizes.
constexpr std::uint64_t kStride = 7919;

TensorSpec group_index(const PackOptions& options, const std::string& name,
                       std::uint64_t in_features, std::uint64_t group) {
  TensorSpec tensor = packed(options, name, "I32", 1, in_features, Content::group_index);
  tensor.shape = {in_features};
  tensor.key = options.act_order ? kStride : 1;
  tensor.first = in_features;
  tensor.second = group;
  return tensor;
}

std::vector<TensorSpec> pack_gptq(const PackOptions& options, const std::string& module,
                                  std::uint64_t k, std::uint64_t n, std::uint64_t group) {
  const std::uint64_t codes = 32 / options.bits;
  const std::uint64_t groups = k / group;
  const bool v1 = options.layout == "gptq";
  TensorSpec zeros = packed(options, module + ".qzeros", "I32", groups, n / codes,
                            v1 ? Content::low_nibbles : Content::nibbles);
  if (options.symmetric) {
    const std::uint64_t half = options.bits == 4 ? 0x8888888888888888u : 0x8080808080808080u;
    const std::uint64_t ones = options.bits == 4 ? 0x1111111111111111u : 0x0101010101010101u;
    zeros.content = Content::same;
    zeros.key = v1 ? half - ones : half;
  }
  return {packed(options, module + ".qweight", "I32", k / codes, n, Content::nibbles),
          packed(options, module + ".scales", options.scale_dtype, groups, n, Content::scales),
          zeros, group_index(options, module + ".g_idx", k, group)};
}

std::vector<TensorSpec> pack_compressed(const PackOptions& options, const std::string& module,
                                        std::uint64_t k, std::uint64_t n, std::uint64_t group) {
  const std::uint64_t codes = 32 / options.bits;
  const std::uint64_t groups = k / group;
  const std::string weight = module + ".weight_";
  TensorSpec shape = packed(options, weight + "shape", "I64", 1, 2, Content::shape);
  shape.shape = {2};
  shape.first = n;
  shape.second = k;
  std::vector<TensorSpec> tensors = {
      packed(options, weight + "packed", "I32", n, k / codes, Content::nibbles),
      packed(options, weight + "scale", options.scale_dtype, n, groups, Content::scales), shape};
  if (!options.symmetric) {
    tensors.push_back(
        packed(options, weight + "zero_point", "I32", n / codes, groups, Content::nibbles));
  }
  if (options.act_order) {
    tensors.push_back(group_index(options, weight + "g_idx", k, group));
  }
  return tensors;
}

void require(bool holds, const std::string& module, const std::string& what) {
  if (!holds) throw std::runtime_error(module + ": " + what);
}

}  // namespace

const std::vector<std::string>& layout_names() {
  static const std::vector<std::string> names = {"gemm", "gemv",    "gemv_fast", "marlin",
                                                 "gptq", "gptq_v2", "ct"};
  return names;
}

bool is_awq(const PackOptions& options) {
  return options.layout != "ct" && !options.layout.starts_with("gptq");
}

std::uint64_t key_of(std::uint64_t seed, const std::string& name) {
  std::uint64_t key = 0xcbf29ce484222325u ^ (seed * 0x9e3779b97f4a7c15u);
  for (const char c : name) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return key;
}

TensorSpec float_tensor(const PackOptions& options, std::string name,
                        std::vector<std::uint64_t> shape, Content content) {
  TensorSpec tensor;
  tensor.key = key_of(options.seed, name);
  tensor.name = std::move(name);
  tensor.dtype = options.scale_dtype;
  tensor.shape = std::move(shape);
  tensor.content = content;
  tensor.used_rows = tensor.rows();
  tensor.used_row_bytes = tensor.row_bytes();
  return tensor;
}

TensorSpec router_bias(const PackOptions& options, const std::string& name, std::uint64_t experts) {
  TensorSpec tensor = float_tensor(options, name, {experts}, Content::same);
  tensor.dtype = "F32";
  tensor.key = 0x3f0000003f000000u;
  tensor.used_row_bytes = tensor.row_bytes();
  return tensor;
}

std::vector<TensorSpec> pack_linear(const PackOptions& options, const std::string& module,
                                    std::uint64_t in_features, std::uint64_t out_features) {
  const std::uint64_t k = in_features;
  const std::uint64_t n = out_features;
  const std::uint64_t group =
      options.group_size < 0 ? k : static_cast<std::uint64_t>(options.group_size);
  require(group > 0 && k % group == 0, module, "the group size does not divide in_features");
  require(n % 8 == 0, module, "out_features is no multiple of 8");
  const std::uint64_t groups = k / group;
  if (!is_awq(options)) {
    require(k % 8 == 0, module, "in_features is no multiple of 8");
    return options.layout == "ct" ? pack_compressed(options, module, k, n, group)
                                  : pack_gptq(options, module, k, n, group);
  }
  const std::string weight = module + ".qweight";
  const std::string zeros = module + ".qzeros";
  const std::string scales = module + ".scales";
  const std::string& half = options.scale_dtype;
  if (options.layout == "gemm") {
    std::vector<TensorSpec> tensors = {packed(options, weight, "I32", k, n / 8, Content::nibbles),
                                       packed(options, scales, half, groups, n, Content::scales)};
    if (!options.symmetric) {
      tensors.push_back(packed(options, zeros, "I32", groups, n / 8, Content::nibbles));
    }
    return tensors;
  }
  if (options.layout == "marlin") {
    require(n % 64 == 0 && k % 16 == 0, module, "Marlin needs multiples of 64 and 16");
    return {packed(options, weight, "I32", k / 16, 2 * n, Content::nibbles),
            packed(options, scales, half, groups, n, Content::scales)};
  }
  require(group == 32 || group == 64 || group >= 128, module,
          "GEMV needs a group size of 32, 64, 128 or more");
  const std::uint64_t width = zeros_width(k, group);
  if (options.layout == "gemv") {
    require(k % 8 == 0, module, "in_features is no multiple of 8");
    TensorSpec scale = packed(options, scales, half, n, 8 * width, Content::scales);
    scale.used_row_bytes = groups * 2;
    TensorSpec zero = packed(options, zeros, "I32", n, width, Content::nibbles);
    zero.used_row_bytes =
        (groups + 1) / 2;  // after an odd number stands one random nibble that none reads
    return {packed(options, weight, "I32", n, k / 8, Content::nibbles), scale, zero};
  }
  if (options.layout == "gemv_fast") {
    require(k % 64 == 0, module, "GEMV_FAST needs in_features that 64 divides");
    TensorSpec scale = packed(options, scales, half, 8 * width, n, Content::scales);
    scale.used_rows = groups;
    TensorSpec zero = packed(options, zeros, half, 8 * width, n, Content::scaled_zeros);
    zero.used_rows = groups;
    zero.key = scale.key;
    return {packed(options, weight, "I16", n / 4, k, Content::nibbles), scale, zero};
  }
  throw std::runtime_error("unknown layout " + options.layout);
}

}  // namespace thaw::tools
