// GPTQ: qweight I32 [ceil(K/c), N] with c = 32/bits codes a word, qzeros I32 [groups, ceil(N/c)],
// scales [groups, N], and g_idx [K], the group of each input, or none. Format: specs/gptq.md.
#include <algorithm>
#include <array>
#include <cstddef>

#include "base/bytes.h"
#include "quant/group_index.h"
#include "quant/layouts.h"
#include "quant/zero_fields.h"

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

bool has_index(const ModuleTensors& tensors) {
  return tensors.g_idx != nullptr && tensors.g_idx->size() != 0;
}

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

// Files of old tools have no g_idx; then only the scales, one a qweight column, tell.
bool recognises_without_index(const ModuleTensors& tensors) {
  return tensors.qweight->dtype == Dtype::i32 &&
         tensors.scales->shape[1] == tensors.qweight->shape[1];
}

bool recognises_rows_without_index(const ModuleTensors& tensors) {
  return recognises_without_index(tensors) && is_stored_untransposed(tensors);
}

struct Sizes {
  std::uint64_t inputs = 0;   // K
  std::uint64_t outputs = 0;  // N
  std::uint64_t groups = 0;
  std::uint64_t per_word = 8;
};

// The width that the shapes leave: of both where they do not tell, the one that the config says.
Problem find_width(const ModuleTensors& tensors, QuantizedLinear& linear, Sizes& sizes) {
  const std::uint64_t lines = tensors.qweight->shape[0];
  const std::uint64_t said = linear.claims.bits == 8 ? 8 : 4;
  for (const std::uint64_t bits : {said, 12 - said}) {
    const std::uint64_t per_word = 32 / bits;
    const bool fits = has_index(tensors) ? lines == divide_up(tensors.g_idx->shape[0], per_word)
                      : tensors.qzeros != nullptr
                          ? tensors.qzeros->shape[1] == divide_up(sizes.outputs, per_word)
                          : bits == said;
    if (!fits) continue;
    linear.bits = static_cast<std::uint32_t>(bits);
    sizes.per_word = per_word;
    const std::optional<std::uint64_t> inputs = checked_multiply(lines, per_word);
    if (!inputs) return "qweight is too large";
    sizes.inputs = has_index(tensors) ? tensors.g_idx->shape[0] : *inputs;
    return std::nullopt;
  }
  return "its codes have neither 4 nor 8 bits by the shapes of qweight and " +
         std::string(has_index(tensors) ? "g_idx" : "qzeros");
}

// G where the config's fits the groups that there are, else as many inputs a group as fit evenly.
// With an index, G only says what to compare it with.
Problem find_group_size(const ModuleTensors& tensors, QuantizedLinear& linear, const Sizes& sizes) {
  const std::int64_t said = linear.claims.group_size.value_or(kDefaultGroupSize);
  const std::uint64_t wanted = said == -1 ? sizes.inputs : static_cast<std::uint64_t>(said);
  if (divide_up(sizes.inputs, wanted) == sizes.groups) {
    linear.group_size = std::min(wanted, sizes.inputs);
    return std::nullopt;
  }
  if (has_index(tensors)) {
    linear.group_size = divide_up(sizes.inputs, sizes.groups);
    return std::nullopt;
  }
  return groups_from_rows(sizes.inputs, sizes.groups, linear.group_size);
}

// specs/gptq.md clause 4. Leaves qzeros out where the zero is half of the range.
Problem find_zeros(const ModuleTensors& tensors, const QuantConfig& config, QuantizedLinear& linear,
                   const Sizes& sizes, const PackedOperand& stored) {
  if (linear.claims.symmetric == true) return std::nullopt;
  if (tensors.qzeros == nullptr) return "no qzeros, and the config does not say that it is sym";
  linear.operands[Role::zeros] = stored;
  if (config.packing == Packing::gptq_v2) return std::nullopt;
  const Result<ZeroFields> fields =
      read_zero_fields(*tensors.checkpoint, *tensors.qzeros, linear.bits, sizes.outputs);
  if (!fields.ok()) return fields.error().messages.front();
  if (!linear.claims.symmetric.has_value() && fields.value().all_half) {
    linear.operands[Role::zeros] = {};
    return std::nullopt;
  }
  linear.zero_addend = linear.bits == 4 ? 0x11111111 : 0x01010101;
  linear.zeros_wrap = fields.value().any_highest;
  return std::nullopt;
}

Problem check_tensors(const ModuleTensors& tensors, const Sizes& sizes) {
  THAW_RETURN_IF_PROBLEM(expect_tensor("qweight", *tensors.qweight, {Dtype::i32},
                                       divide_up(sizes.inputs, sizes.per_word), sizes.outputs));
  THAW_RETURN_IF_PROBLEM(
      expect_tensor("scales", *tensors.scales, kScaleDtypes, sizes.groups, sizes.outputs));
  if (tensors.qzeros == nullptr) return std::nullopt;
  return expect_tensor("qzeros", *tensors.qzeros, {Dtype::i32}, sizes.groups,
                       divide_up(sizes.outputs, sizes.per_word));
}

// How the rows of the weight lie in qweight, scales and qzeros (`zeros`).
void place_operands(const ModuleTensors& tensors, QuantizedLinear& linear, const Sizes& sizes,
                    PackedOperand& zeros) {
  const std::uint64_t lines = tensors.qweight->shape[0];
  linear.operands[Role::codes] = {
      .tensor = tensors.qweight, .lines = lines, .pitch = sizes.outputs * 4};
  linear.operands[Role::scales] = {.tensor = tensors.scales,
                                   .lines = sizes.groups,
                                   .pitch = sizes.outputs * element_bytes(*tensors.scales)};
  zeros = {.tensor = tensors.qzeros,
           .lines = sizes.groups,
           .pitch = divide_up(sizes.outputs, sizes.per_word) * 4};
  if (!linear.layout->rows_are_inputs) {
    linear.operands[Role::codes].block_rows = linear.operands[Role::scales].block_rows = 1;
    linear.operands[Role::codes].block_bytes = 4;
    linear.operands[Role::scales].block_bytes = element_bytes(*tensors.scales);
    zeros.block_rows = sizes.per_word;
    zeros.block_bytes = 4;
    return;
  }
  linear.operands[Role::codes].out_features_per_line = sizes.per_word;
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
  Sizes sizes{.outputs = tensors.qweight->shape[1], .groups = tensors.scales->shape[0]};
  if (!checked_multiply(sizes.outputs, 4)) return "qweight is too large";
  THAW_RETURN_IF_PROBLEM(find_width(tensors, linear, sizes));
  THAW_RETURN_IF_PROBLEM(check_tensors(tensors, sizes));
  THAW_RETURN_IF_PROBLEM(find_group_size(tensors, linear, sizes));
  if (has_index(tensors)) {
    const Result<bool> regular =
        is_regular_index(*tensors.checkpoint, *tensors.g_idx, sizes.groups, linear.group_size);
    if (!regular.ok()) return regular.error().messages.front();
    if (!regular.value()) linear.operands[Role::group_index] = whole_operand(*tensors.g_idx);
  }
  linear.in_features = linear.layout->rows_are_inputs ? sizes.outputs : sizes.inputs;
  linear.out_features = linear.layout->rows_are_inputs ? sizes.inputs : sizes.outputs;
  PackedOperand zeros;
  place_operands(tensors, linear, sizes, zeros);
  return find_zeros(tensors, config, linear, sizes, zeros);
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
