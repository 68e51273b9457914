// GPTQ: qweight I32 [ceil(K/c), N] with c = 32/bits codes a word, qzeros I32 [groups, ceil(N/c)],
// scales [groups, N], and g_idx [K], the group of each input, or none. Format: specs/gptq.md.
#include <algorithm>
#include <array>
#include <cstddef>

#include "base/bytes.h"
#include "quant/gptq_parts.h"

namespace thaw {

namespace {

constexpr PackLayout kLayout = {.id = LayoutId::gptq,
                                .family = LayoutFamily::gptq,
                                .name = "gptq",
                                .title = "GPTQ",
                                .row_block = 8,
                                .row_step = 256,  // four of them: 4 KiB of a line
                                .columns_strided = true};
// Input embeddings and Conv1D, whose weight is [K, N].
constexpr PackLayout kRowsLayout = {.id = LayoutId::gptq_rows,
                                    .family = LayoutFamily::gptq,
                                    .name = "gptq_rows",
                                    .title = "GPTQ",
                                    .row_block = 8,
                                    .row_step = 32,
                                    .rows_are_inputs = true};

constexpr std::array<std::string_view, 5> kEmbeddings = {"embed_tokens", "wte", "word_embeddings",
                                                         "embed_in", "tok_embeddings"};
// Models of transformers that are made of Conv1D, and the names of those modules.
constexpr std::array<std::string_view, 4> kConv1dModels = {"gpt2", "openai-gpt", "imagegpt",
                                                           "decision_transformer"};
constexpr std::array<std::string_view, 4> kConv1dModules = {"c_attn", "q_attn", "c_proj", "c_fc"};

template <std::size_t n>
bool contains(const std::array<std::string_view, n>& values, std::string_view value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

std::uint64_t per_word(const QuantizedLinear& linear) { return 32 / linear.bits; }

bool is_stored_untransposed(const ModuleTensors& tensors) {
  const std::string_view name = tensors.module.substr(tensors.module.rfind('.') + 1);
  if (contains(kEmbeddings, name)) return true;
  if (!contains(kConv1dModules, name)) return false;
  const json::Node* type = tensors.checkpoint->config().find("model_type");
  return type != nullptr && contains(kConv1dModels, type->as_string().value_or(""));
}

bool recognises(const ModuleTensors& tensors) { return has_index(tensors); }

bool recognises_rows(const ModuleTensors& tensors) {
  return recognises(tensors) && is_stored_untransposed(tensors);
}

// Files of old tools have no g_idx; then only the scales, one a qweight column, tell. Words of 16
// bits are known by their zero points: those of GEMV_FAST are floats.
bool recognises_without_index(const ModuleTensors& tensors) {
  const Dtype dtype = tensors.qweight->dtype;
  const bool words = dtype == Dtype::i32 || has_narrow_words(tensors);
  return words && tensors.scales->shape[1] == tensors.qweight->shape[1];
}

bool recognises_rows_without_index(const ModuleTensors& tensors) {
  return recognises_without_index(tensors) && is_stored_untransposed(tensors);
}

Problem check_tensors(const ModuleTensors& tensors, const QuantizedLinear& linear,
                      const GptqSizes& sizes) {
  THAW_RETURN_IF_PROBLEM(expect_tensor("qweight", *tensors.qweight, {Dtype::i32},
                                       divide_up(sizes.inputs, per_word(linear)), sizes.outputs));
  THAW_RETURN_IF_PROBLEM(
      expect_tensor("scales", *tensors.scales, kScaleDtypes, sizes.groups, sizes.outputs));
  if (tensors.qzeros == nullptr) return std::nullopt;
  return expect_tensor("qzeros", *tensors.qzeros, {Dtype::i32}, sizes.groups,
                       divide_up(sizes.outputs, per_word(linear)));
}

// How the rows of the weight lie in qweight, scales and qzeros (`zeros`).
void place_operands(const ModuleTensors& tensors, QuantizedLinear& linear, const GptqSizes& sizes,
                    PackedOperand& zeros) {
  const std::uint64_t lines = tensors.qweight->shape[0];
  linear.operands[Role::codes] = {
      .tensor = tensors.qweight, .lines = lines, .pitch = sizes.outputs * 4};
  linear.operands[Role::scales] = {.tensor = tensors.scales,
                                   .lines = sizes.groups,
                                   .pitch = sizes.outputs * element_bytes(*tensors.scales)};
  zeros = {.tensor = tensors.qzeros,
           .lines = sizes.groups,
           .pitch = divide_up(sizes.outputs, per_word(linear)) * 4};
  if (!linear.layout->rows_are_inputs) {
    linear.operands[Role::codes].block_rows = linear.operands[Role::scales].block_rows = 1;
    linear.operands[Role::codes].block_bytes = 4;
    linear.operands[Role::scales].block_bytes = element_bytes(*tensors.scales);
    zeros.block_rows = per_word(linear);
    zeros.block_bytes = 4;
    return;
  }
  linear.operands[Role::codes].out_features_per_line = per_word(linear);
  if (linear.operands[Role::group_index].tensor == nullptr) {
    linear.operands[Role::scales].out_features_per_line = zeros.out_features_per_line =
        linear.group_size;
  } else {
    linear.operands[Role::scales].block_rows = zeros.block_rows = 1;  // any row may need any line
  }
}

Problem describe(const ModuleTensors& tensors, const QuantConfig& config, QuantizedLinear& linear) {
  if (has_index(tensors) && tensors.g_idx->shape.size() != 1) {
    return "g_idx: got " + tensor_text(*tensors.g_idx) + ", expected one dimension";
  }
  GptqSizes sizes{.outputs = tensors.qweight->shape[1],
                  .groups = tensors.scales->shape[0],
                  .word_bits = dtype_bits(tensors.qweight->dtype)};
  if (!checked_multiply(sizes.outputs, 32)) return "qweight is too large";
  THAW_RETURN_IF_PROBLEM(find_width(tensors, linear, sizes));
  if (sizes.word_bits != 32 || (linear.bits != 4 && linear.bits != 8)) {
    return describe_gptq_bits(tensors, config, linear, sizes);
  }
  THAW_RETURN_IF_PROBLEM(check_tensors(tensors, linear, sizes));
  THAW_RETURN_IF_PROBLEM(find_group_size(tensors, linear, sizes));
  THAW_RETURN_IF_PROBLEM(find_index(tensors, linear, sizes));
  linear.in_features = linear.layout->rows_are_inputs ? sizes.outputs : sizes.inputs;
  linear.out_features = linear.layout->rows_are_inputs ? sizes.inputs : sizes.outputs;
  PackedOperand zeros;
  place_operands(tensors, linear, sizes, zeros);
  return find_zeros(tensors, config, linear, sizes, zeros, read_zero_fields);
}

}  // namespace

constinit const LayoutReader kGptqReader = {&kLayout, Naming::qweight, "g_idx", recognises,
                                            describe};
constinit const LayoutReader kGptqRowsReader = {&kRowsLayout, Naming::qweight,
                                                "g_idx, and the name of an untransposed weight",
                                                recognises_rows, describe};
// The same for modules without g_idx, which are told in another way.
constinit const LayoutReader kGptqWithoutIndexReader = {&kLayout, Naming::qweight,
                                                        "as many columns of scales as of qweight",
                                                        recognises_without_index, describe};
constinit const LayoutReader kGptqRowsWithoutIndexReader = {
    &kRowsLayout, Naming::qweight,
    "as many columns of scales as of qweight, and the name of an untransposed weight",
    recognises_rows_without_index, describe};

}  // namespace thaw
