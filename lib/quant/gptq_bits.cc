// GPTQ of other widths than 4 and 8 bits, in planes, or in words of 8 and 16 bits: specs/gptq.md
// clauses 2.5 to 2.8. 32 codes are a unit of 4 * bits bytes.
#include <string>

#include "base/bytes.h"
#include "quant/gptq_parts.h"

namespace thaw {

namespace {

constexpr std::uint64_t kUnit = 32;  // codes, along K in qweight and along N in qzeros

constexpr PackLayout kLayout = {.id = LayoutId::gptq_bits,
                                .family = LayoutFamily::gptq,
                                .name = "gptq_bits",
                                .title = "GPTQ",
                                .titled_by_width = true,
                                .row_block = kUnit,
                                .row_step = 256,
                                .columns_strided = true};
constexpr PackLayout kRowsLayout = {.id = LayoutId::gptq_bits_rows,
                                    .family = LayoutFamily::gptq,
                                    .name = "gptq_bits_rows",
                                    .title = "GPTQ",
                                    .titled_by_width = true,
                                    .row_block = kUnit,
                                    .row_step = kUnit,
                                    .rows_are_inputs = true};

std::uint64_t words_of(const QuantizedLinear& linear, std::uint64_t codes) {
  return divide_up(codes * linear.bits, 8 * std::uint64_t{linear.word_bytes});
}

Problem check_tensors(const ModuleTensors& tensors, const QuantizedLinear& linear,
                      const GptqSizes& sizes) {
  const Dtype words = tensors.qweight->dtype;
  THAW_RETURN_IF_PROBLEM(expect_tensor("qweight", *tensors.qweight, {words},
                                       words_of(linear, sizes.inputs), sizes.outputs));
  THAW_RETURN_IF_PROBLEM(
      expect_tensor("scales", *tensors.scales, kScaleDtypes, sizes.groups, sizes.outputs));
  if (linear.layout->rows_are_inputs || linear.planes) {
    THAW_RETURN_IF_PROBLEM(expect_multiple("input features", sizes.inputs, kUnit));
  }
  if (linear.planes) {
    THAW_RETURN_IF_PROBLEM(expect_multiple("output features", sizes.outputs, kUnit));
  }
  if (tensors.qzeros == nullptr) return std::nullopt;
  return expect_tensor("qzeros", *tensors.qzeros, {words}, sizes.groups,
                       words_of(linear, sizes.outputs));
}

// How the rows of the weight lie in qweight, scales and qzeros (`zeros`).
void place_operands(const ModuleTensors& tensors, QuantizedLinear& linear, const GptqSizes& sizes,
                    PackedOperand& zeros) {
  PackedOperand& codes = linear.operands[Role::codes];
  PackedOperand& scales = linear.operands[Role::scales];
  const std::uint64_t unit_bytes = 4 * std::uint64_t{linear.bits};
  codes = {.tensor = tensors.qweight,
           .lines = tensors.qweight->shape[0],
           .pitch = sizes.outputs * linear.word_bytes};
  scales = {.tensor = tensors.scales,
            .lines = sizes.groups,
            .pitch = sizes.outputs * element_bytes(*tensors.scales)};
  zeros = {.tensor = tensors.qzeros,
           .lines = sizes.groups,
           .pitch = words_of(linear, sizes.outputs) * linear.word_bytes};
  if (!linear.layout->rows_are_inputs) {
    codes.block_rows = scales.block_rows = 1;
    codes.block_bytes = linear.word_bytes;
    scales.block_bytes = element_bytes(*tensors.scales);
    zeros.block_rows = kUnit;
    zeros.block_bytes = unit_bytes;
    return;
  }
  codes.lines = sizes.inputs / kUnit;  // all words of a unit are one
  codes.pitch = sizes.outputs * unit_bytes;
  codes.out_features_per_line = kUnit;
  if (linear.operands[Role::group_index].tensor == nullptr) {
    scales.out_features_per_line = zeros.out_features_per_line = linear.group_size;
  } else {
    scales.block_rows = zeros.block_rows = 1;  // any row may need any line
  }
}

}  // namespace

Problem describe_gptq_bits(const ModuleTensors& tensors, const QuantConfig& config,
                           QuantizedLinear& linear, GptqSizes sizes) {
  linear.layout = linear.layout->rows_are_inputs ? &kRowsLayout : &kLayout;
  linear.word_bytes = static_cast<std::uint32_t>(sizes.word_bits / 8);
  linear.planes = config.planes && 8 % linear.bits != 0;
  if (linear.planes && linear.word_bytes != 4) {
    return "planes (gptq_p) in words of " + std::to_string(sizes.word_bits) +
           " bits are not supported, only in words of 32 (pack_dtype int32)";
  }
  THAW_RETURN_IF_PROBLEM(check_tensors(tensors, linear, sizes));
  THAW_RETURN_IF_PROBLEM(find_group_size(tensors, linear, sizes));
  THAW_RETURN_IF_PROBLEM(find_index(tensors, linear, sizes));
  linear.in_features = linear.layout->rows_are_inputs ? sizes.outputs : sizes.inputs;
  linear.out_features = linear.layout->rows_are_inputs ? sizes.inputs : sizes.outputs;
  PackedOperand zeros;
  place_operands(tensors, linear, sizes, zeros);
  return find_zeros(tensors, config, linear, sizes, zeros, read_zero_streams);
}

}  // namespace thaw
