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

void require(bool holds, const std::string& module, const std::string& what) {
  if (!holds) throw std::runtime_error(module + ": " + what);
}

}  // namespace

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

std::vector<TensorSpec> pack_linear(const PackOptions& options, const std::string& module,
                                    std::uint64_t in_features, std::uint64_t out_features) {
  const std::uint64_t k = in_features;
  const std::uint64_t n = out_features;
  const std::uint64_t group =
      options.group_size < 0 ? k : static_cast<std::uint64_t>(options.group_size);
  require(group > 0 && k % group == 0, module, "the group size does not divide in_features");
  require(n % 8 == 0, module, "out_features is no multiple of 8");
  const std::uint64_t groups = k / group;
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
