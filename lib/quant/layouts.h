// How each layout is told from the tensors of a module. A further layout is one more LayoutId, one
// more file and one more line in layouts.cc. Internal to lib/quant. Format: specs/awq.md clause 8.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "quant/linears.h"
#include "quant/module_tensors.h"

namespace thaw {

// What is wrong with a module, in words; nothing when all is well.
using Problem = std::optional<std::string>;

struct LayoutReader {
  const PackLayout* layout = nullptr;
  Naming naming = Naming::qweight;
  std::string_view reason;  // why a module is taken for it, for people
  // Told from shapes and types, for GPTQ from the module's name too. Called in the order of the
  // list, with the module's tensors as check_partners() (linears.cc) wants them.
  bool (*recognises)(const ModuleTensors& tensors) = nullptr;
  // Checks every shape and type and fills `linear` but for module, layout, reason, scale_dtype and
  // claims, which are filled in already.
  Problem (*describe)(const ModuleTensors& tensors, const QuantConfig& config,
                      QuantizedLinear& linear) = nullptr;
};

[[nodiscard]] std::span<const LayoutReader* const> layout_readers();

extern const LayoutReader kAwqGemvFastReader;
extern const LayoutReader kLlmAwqV2Reader;
extern const LayoutReader kGptqRowsReader;
extern const LayoutReader kGptqReader;
extern const LayoutReader kAwqGemvReader;
extern const LayoutReader kAwqMarlinReader;
extern const LayoutReader kAwqGemmReader;
extern const LayoutReader kGptqRowsWithoutIndexReader;
extern const LayoutReader kGptqWithoutIndexReader;
extern const LayoutReader kCompressedPackReader;
extern const LayoutReader kCompressedInt8Reader;
extern const LayoutReader kFloat8E4m3Reader;
extern const LayoutReader kFloat8E5m2Reader;
extern const LayoutReader kMxfp4Reader;
extern const LayoutReader kMxfp4BlocksReader;
extern const LayoutReader kMxfp4PackedReader;
extern const LayoutReader kNvfp4Reader;
extern const LayoutReader kNvfp4PackedReader;
extern const LayoutReader kMlxMxfp4Reader;
extern const LayoutReader kMlxMxfp8Reader;
extern const LayoutReader kMlxNvfp4Reader;
extern const LayoutReader kMlxAffineReader;
extern const LayoutReader kBnbInt8Reader;
extern const LayoutReader kModelOptInt4Reader;
extern const LayoutReader kBnbNf4Reader;
extern const LayoutReader kBnbFp4Reader;

// Whether the words of a qweight are GPTQ's of 8 or 16 bits (GPTQModel's pack_dtype). GEMV_FAST and
// llm-awq v2 have words of 16 bits too, but no index, and zeros of floats.
[[nodiscard]] bool has_narrow_words(const ModuleTensors& tensors);

// Checks that layouts share. Each says what is wrong, or nothing.
[[nodiscard]] Problem expect_tensor(std::string_view name, const Tensor& tensor,
                                    std::initializer_list<Dtype> dtypes, std::uint64_t rows,
                                    std::uint64_t columns);
[[nodiscard]] Problem expect_multiple(std::string_view what, std::uint64_t value, std::uint64_t of);
// The group size of a linear with that many groups along in_features.
[[nodiscard]] Problem groups_from_rows(std::uint64_t in_features, std::uint64_t groups,
                                       std::uint64_t& group_size);
// For layouts that pad their scales: the group size that the config gives, and how many scales a
// row of the weight has, padding included.
[[nodiscard]] Problem groups_from_config(std::uint64_t in_features, const QuantConfig& config,
                                         std::uint64_t& group_size, std::uint64_t& padded_groups);

inline constexpr std::initializer_list<Dtype> kScaleDtypes = {Dtype::f16, Dtype::bf16, Dtype::f32};
[[nodiscard]] inline std::uint64_t element_bytes(const Tensor& tensor) {
  return dtype_bits(tensor.dtype) / 8;
}

}  // namespace thaw

// Returns from the calling function when `expression` (a Problem) is one.
#define THAW_RETURN_IF_PROBLEM(expression)                                         \
  do {                                                                             \
    if (::thaw::Problem thaw_problem_ = (expression); thaw_problem_.has_value()) { \
      return thaw_problem_;                                                        \
    }                                                                              \
  } while (false)
