#include "execute/gather.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "execute/held_input.h"

namespace thaw {

namespace {

constexpr std::uint64_t kGatherStep = 4u << 20;

}  // namespace

Status gather_slab(std::span<const MappedFile* const> files, InputCache& input,
                   const QuantizedLinear& linear, const Slab& slab, std::byte* buffer) {
  const std::array<std::pair<const PackedOperand*, const SlabOperand*>, 4> operands = {
      {{&linear.qweight, &slab.qweight},
       {&linear.qzeros, &slab.qzeros},
       {&linear.scales, &slab.scales},
       {&linear.group_index, &slab.group_index}}};
  for (const auto& [operand, placed] : operands) {
    if (operand->tensor == nullptr) continue;
    const Tensor& tensor = *operand->tensor;
    const MappedFile& file = *files[tensor.shard];
    const std::byte* lines = file.bytes().data() + tensor.begin + placed->source_begin;
    std::byte* to = buffer + placed->offset;
    const std::uint64_t step =
        std::max<std::uint64_t>(1, kGatherStep / std::max<std::uint64_t>(1, operand->pitch));
    for (std::uint64_t line = 0; line < operand->lines; line += step) {
      const std::uint64_t end = std::min(operand->lines, line + step);
      HeldInput held(input);
      THAW_RETURN_IF_ERROR(held.add(InputRange{tensor.shard, tensor.begin + line * operand->pitch,
                                               (end - line) * operand->pitch}));
      for (std::uint64_t i = line; i < end; ++i) {
        std::memcpy(to + i * placed->pitch, lines + i * operand->pitch, placed->source_size);
      }
      if (file.damaged()) return file.check_unchanged();
    }
  }
  return {};
}

}  // namespace thaw
