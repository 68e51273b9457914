#include "quant/layouts.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/text.h"

namespace thaw {

namespace {

// The order decides where shapes fit two layouts (specs/awq.md clause 8.2): GEMV before Marlin,
// GEMM and GPTQ, because small GEMV modules have shapes that those would take too.
constexpr std::array kReaders = {
    &kAwqGemvFastReader,
    &kLlmAwqV2Reader,
    &kGptqRowsReader,
    &kGptqReader,
    &kAwqGemvReader,
    &kAwqMarlinReader,
    &kAwqGemmReader,
    &kGptqRowsWithoutIndexReader,
    &kGptqWithoutIndexReader,
    &kMxfp4PackedReader,
    &kNvfp4PackedReader,
    &kCompressedPackReader,
    &kCompressedInt8Reader,
    &kMlxMxfp4Reader,
    &kMlxMxfp8Reader,
    &kMlxNvfp4Reader,
    &kMlxAffineReader,
    &kBnbInt8Reader,
    &kFloat8E4m3Reader,
    &kFloat8E5m2Reader,
    &kMxfp4Reader,
    &kNvfp4Reader,
    &kMxfp4BlocksReader,
    &kBnbNf4Reader,
    &kBnbFp4Reader,
    &kModelOptInt4Reader,
};

}  // namespace

std::span<const LayoutReader* const> layout_readers() { return kReaders; }

bool has_narrow_words(const ModuleTensors& tensors) {
  const Dtype dtype = tensors.qweight->dtype;
  if (dtype != Dtype::i16 && dtype != Dtype::i8) return false;
  const bool has_index = tensors.g_idx != nullptr && tensors.g_idx->size() != 0;
  return has_index || (tensors.qzeros != nullptr && tensors.qzeros->dtype == dtype);
}

std::string title_of(const QuantizedLinear& linear) {
  std::string title(linear.layout->title);
  if (linear.layout->titled_by_width) {
    title.append(1, ' ').append(std::to_string(linear.bits)).append("-bit");
  }
  return title;
}

Problem expect_tensor(std::string_view name, const Tensor& tensor,
                      std::initializer_list<Dtype> dtypes, std::uint64_t rows,
                      std::uint64_t columns) {
  const std::array<std::uint64_t, 2> shape = {rows, columns};
  const bool dtype_fits = std::find(dtypes.begin(), dtypes.end(), tensor.dtype) != dtypes.end();
  if (dtype_fits &&
      std::equal(tensor.shape.begin(), tensor.shape.end(), shape.begin(), shape.end())) {
    return std::nullopt;
  }
  std::string text(name);
  text += ": got " + tensor_text(tensor) + ", expected ";
  for (const Dtype dtype : dtypes) {
    if (dtype != *dtypes.begin()) text += " or ";
    text += dtype_name(dtype);
  }
  return text + " " + shape_text(shape);
}

Problem expect_multiple(std::string_view what, std::uint64_t value, std::uint64_t of) {
  if (value % of == 0) return std::nullopt;
  return std::string(what) + ": got " + std::to_string(value) + ", expected a multiple of " +
         std::to_string(of);
}

Problem groups_from_rows(std::uint64_t in_features, std::uint64_t groups,
                         std::uint64_t& group_size) {
  if (groups > in_features || in_features % groups != 0) {
    return "scales: got " + std::to_string(groups) + " groups, expected a divisor of the " +
           std::to_string(in_features) + " input features";
  }
  group_size = in_features / groups;
  return std::nullopt;
}

Problem groups_from_config(std::uint64_t in_features, const QuantConfig& config,
                           std::uint64_t& group_size, std::uint64_t& padded_groups) {
  const std::int64_t said = config.group_size.value_or(kDefaultGroupSize);
  group_size = said == -1 ? in_features : static_cast<std::uint64_t>(said);
  // AutoAWQ's zeros_width: so many words of 8 zeros a row, in steps of 1, 2 or 4.
  const std::uint64_t step = group_size >= 128  ? 1
                             : group_size == 64 ? 2
                             : group_size == 32 ? 4
                                                : 0;
  if (step == 0 || in_features % group_size != 0) {
    return "group_size of the config: got " + std::to_string(group_size) +
           ", expected 32, 64, 128 or more, dividing the " + std::to_string(in_features) +
           " input features";
  }
  padded_groups = round_up(divide_up(in_features / group_size, 8), step) * 8;
  return std::nullopt;
}

}  // namespace thaw
