#include "quant/gptq_parts.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/bytes.h"
#include "quant/group_index.h"

namespace thaw {

namespace {

// The widths that shapes are asked for, in this order, after the config's.
constexpr std::array<std::uint64_t, 7> kWidths = {4, 8, 2, 3, 5, 6, 7};

bool fits_width(const ModuleTensors& tensors, const QuantizedLinear& linear, const GptqSizes& sizes,
                std::uint64_t bits) {
  const auto words = [&](std::uint64_t codes) { return divide_up(codes * bits, sizes.word_bits); };
  const std::uint64_t lines = tensors.qweight->shape[0];
  const std::uint64_t said = linear.claims.bits == 8 ? 8 : 4;
  const bool usual = bits % 4 == 0;
  const bool claimed = linear.claims.bits == static_cast<std::int64_t>(bits);
  const bool by_zeros =
      tensors.qzeros != nullptr && tensors.qzeros->shape[1] == words(sizes.outputs);
  // Of 4 and 8 bits the shapes are believed whatever the config says.
  if (!usual && !claimed && (linear.claims.bits.has_value() || !by_zeros)) return false;
  if (has_index(tensors)) return lines == words(tensors.g_idx->shape[0]);
  if (tensors.qzeros != nullptr) return by_zeros;
  return usual ? bits == said : claimed;
}

}  // namespace

Problem find_width(const ModuleTensors& tensors, QuantizedLinear& linear, GptqSizes& sizes) {
  if (has_index(tensors) && !checked_multiply(tensors.g_idx->shape[0], 8).has_value()) {
    return "g_idx is too large";
  }
  const std::int64_t claimed = linear.claims.bits.value_or(4);
  const auto fits = [&](std::uint64_t bits) { return fits_width(tensors, linear, sizes, bits); };
  std::uint64_t found = claimed >= 2 && claimed <= 8 ? static_cast<std::uint64_t>(claimed) : 4;
  if (!fits(found)) {
    const auto* const other = std::find_if(kWidths.begin(), kWidths.end(), fits);
    if (other == kWidths.end()) {
      return "its codes have no width of 2 to 8 bits by the shapes of qweight and " +
             std::string(has_index(tensors) ? "g_idx" : "qzeros") +
             (claimed % 4 == 0 ? "" : " (the config says " + std::to_string(claimed) + ")");
    }
    found = *other;
  }
  linear.bits = static_cast<std::uint32_t>(found);
  const std::optional<std::uint64_t> all =
      checked_multiply(tensors.qweight->shape[0], sizes.word_bits);
  if (!all) return "qweight is too large";
  if (!has_index(tensors) && *all % found != 0) {
    return "qweight: got " + tensor_text(*tensors.qweight) + ", whose words end within a code of " +
           std::to_string(found) + " bits, and there is no g_idx to say how many there are";
  }
  sizes.inputs = has_index(tensors) ? tensors.g_idx->shape[0] : *all / found;
  return std::nullopt;
}

Problem find_group_size(const ModuleTensors& tensors, QuantizedLinear& linear,
                        const GptqSizes& sizes) {
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

Problem find_index(const ModuleTensors& tensors, QuantizedLinear& linear, const GptqSizes& sizes) {
  if (!has_index(tensors)) return std::nullopt;
  const Result<bool> regular =
      is_regular_index(*tensors.checkpoint, *tensors.g_idx, sizes.groups, linear.group_size);
  if (!regular.ok()) return regular.error().messages.front();
  if (!regular.value()) linear.operands[Role::group_index] = whole_operand(*tensors.g_idx);
  return std::nullopt;
}

Problem find_zeros(const ModuleTensors& tensors, const QuantConfig& config, QuantizedLinear& linear,
                   const GptqSizes& sizes, const PackedOperand& stored,
                   decltype(read_zero_fields)& read) {
  if (linear.claims.symmetric == true) return std::nullopt;
  if (tensors.qzeros == nullptr) return "no qzeros, and the config does not say that it is sym";
  linear.operands[Role::zeros] = stored;
  if (config.packing == Packing::gptq_v2) return std::nullopt;
  const Result<ZeroFields> fields =
      read(*tensors.checkpoint, *tensors.qzeros, linear.bits, sizes.outputs);
  if (!fields.ok()) return fields.error().messages.front();
  if (!linear.claims.symmetric.has_value() && fields.value().all_half) {
    linear.operands[Role::zeros] = {};
    return std::nullopt;
  }
  linear.zero_addend = linear.bits == 2   ? 0x55555555
                       : linear.bits == 4 ? 0x11111111
                       : linear.bits == 8 ? 0x01010101
                                          : 1;
  linear.zeros_wrap = fields.value().any_highest;
  return std::nullopt;
}

}  // namespace thaw
